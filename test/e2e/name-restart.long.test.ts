/** What was known by a name when a recorder ended is known to the next one. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Running } from './bouheki.ts';
import { folder, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const place = folder();
const zone = join(place, 'zone.json');
const policy = join(place, 'policy.yaml');
const db = join(place, 'record.duckdb');

const POLICY = `version: 2
network:
  mode: block
  allow:
    - { to: [{ cidr: [loopback] }, { cidr: [0.0.0.0/0], port: [53], protocol: [udp] }] }
    - { to: [{ name: [api.test], port: [80], protocol: [tcp] }] }
`;

/** Whether curl reaches a name or an address: the exit status, 7 where it can't connect. */
function fetches(host: string): number | null {
  return run('curl', '-s', '-o', '/dev/null', '--max-time', '20', `http://${host}/`).status;
}

before(() => {
  startNetwork();
  writeFileSync(zone, JSON.stringify({ 'api.test': ['93.184.216.1'], 'other.test': ['93.184.216.2'] }));
  writeFileSync(policy, POLICY, { mode: 0o600 });
  succeeded(run('ip', 'netns', 'exec', 'servers', 'test/vm/resolver', zone));
  writeFileSync('/etc/resolv.conf', 'nameserver 10.0.0.53\n');
});

after(stopNetwork);

test('a restart denies nothing that was looked up before it, and allows no more', async () => {
  const first = await Running.start('enforce', policy, '--db', db);
  assert.equal(fetches('93.184.216.1'), 7, 'nobody has asked for it');
  assert.equal(fetches('api.test'), 0);
  assert.equal(fetches('other.test'), 7);
  succeeded(await first.end('SIGINT'));
  const second = await Running.start('enforce', policy, '--db', db);
  assert.equal(fetches('93.184.216.1'), 0, second.stderr);
  assert.equal(fetches('93.184.216.2'), 7);
  succeeded(await second.end('SIGINT'));
});
