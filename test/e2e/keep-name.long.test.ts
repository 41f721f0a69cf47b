/** Rules by name hold where nobody is left but the kernel, which reads the answers of resolvers by itself. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bouheki, Running } from './bouheki.ts';
import { folder, programsLeft, run, startNetwork, stopNetwork, succeeded } from './guest.ts';
import { db, policyFile, removePins } from './keeping.ts';

const NAMES = policyFile(
  'names.yaml',
  `  on_exit: keep
  allow:
    - { to: [{ cidr: [loopback] }, { cidr: [0.0.0.0/0], port: [53], protocol: [udp] }] }
    - { to: [{ name: [api.test, late.test], port: [80], protocol: [tcp] }] }
`,
);
const ZONE = {
  'api.test': ['93.184.216.1'],
  'late.test': ['93.184.216.2'],
  'other.test': ['93.184.216.3'],
};

/** Whether curl reaches a name or an address: the exit status, 7 where it can't connect. */
function fetches(host: string): number | null {
  return run('curl', '-s', '-o', '/dev/null', '--max-time', '20', `http://${host}/`).status;
}

before(() => {
  startNetwork();
  const zone = join(folder(), 'zone.json');
  writeFileSync(zone, JSON.stringify(ZONE));
  succeeded(run('ip', 'netns', 'exec', 'servers', 'test/vm/resolver', zone));
  writeFileSync('/etc/resolv.conf', 'nameserver 10.0.0.53\n');
});
after(() => {
  removePins();
  stopNetwork();
});

test('what is looked up while the kernel is alone is allowed by its name, and nothing else is', async () => {
  const enforce = await Running.start('enforce', NAMES, '--db', db, '--no-preflight');
  assert.equal(fetches('api.test'), 0);
  await enforce.end('SIGKILL');
  assert.equal(fetches('93.184.216.1'), 0, 'known before');
  assert.equal(fetches('93.184.216.2'), 7, 'nobody has asked for it');
  assert.equal(fetches('late.test'), 0);
  assert.equal(fetches('other.test'), 7);
  assert.equal(bouheki('detach').status, 0);
  assert.deepEqual(programsLeft(), []);
  assert.equal(fetches('other.test'), 0);
});
