/** Which container a process is in: as its runtime says, whatever the process does, and also without a known runtime. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { curl, curlRefused } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { cgroup, type Ended, folder, inCgroup, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

before(startNetwork);

after(stopNetwork);

/** What an unknown runtime does: namespaces and a cgroup of its own. */
const strange = (...command: string[]): Ended =>
  inCgroup(cgroup('/strange/box'), 'unshare', '--mount', '--pid', '--fork', ...command);

suite('a container of an unknown runtime', () => {
  const place = folder();
  const db = join(place, 'record.duckdb');
  const file = join(place, 'policy.yaml');

  test('is recorded as a container, and generate goes by its cgroup', async () => {
    const learn = await Running.start('learn', '--db', db);
    succeeded(strange(...curl('http://10.0.1.1/')));
    succeeded(run(...curl('http://10.0.1.2/')));
    succeeded(await learn.end('SIGINT'));
    const rows = await query(
      db,
      `SELECT in_container, container, exe, address FROM connections ORDER BY time`,
    );
    assert.deepEqual(rows, [
      { in_container: true, container: null, exe: '/usr/bin/curl', address: '10.0.1.1' },
      { in_container: false, container: null, exe: '/usr/bin/curl', address: '10.0.1.2' },
    ]);
    const { stdout } = succeeded(bouheki('generate', '--mode', 'block', '--db', db));
    assert.match(
      stdout,
      /from: \{ uid: \[0\], cgroup: \[\/strange\/box\] \}\n +to: \[\{ cidr: \[10\.0\.1\.1\]/,
    );
    assert.match(
      stdout,
      /from: \{ exe: \[\/usr\/bin\/curl\], uid: \[0\] \}\n +to: \[\{ cidr: \[10\.0\.1\.2\]/,
    );
    const { stdout: only } = succeeded(bouheki('generate', '--target', 'container', '--db', db));
    assert.doesNotMatch(only, /10\.0\.1\.2/);
  });

  test('is judged as one: by no rule for a program of the host or for another container', async () => {
    const rules = [
      'version: 2',
      'network:',
      '  mode: block',
      '  allow:',
      '    - { name: host, from: { exe: [/usr/bin/curl] }, to: [{ cidr: [10.0.1.0/24] }] }',
      '    - { name: web, from: { container: [web, "*"] }, to: [{ cidr: [10.0.1.0/24] }] }',
      '    - { name: box, from: { cgroup: [/strange/box] }, to: [{ cidr: [10.0.1.9/32] }] }',
    ];
    writeFileSync(file, `${rules.join('\n')}\n`, { mode: 0o600 });
    const enforce = await Running.start('enforce', file, '--force', '--db', db);
    assert.ok(curlRefused(strange(...curl('http://10.0.1.1/'))), 'no rule is for it');
    assert.equal(strange(...curl('http://10.0.1.9/')).status, 0, 'the rule for its cgroup');
    assert.equal(run(...curl('http://10.0.1.1/')).status, 0, 'the rule for the host');
    const line = await enforce.logged({ Addr: '10.0.1.1' });
    assert.equal(line.Container, '(unknown)');
    succeeded(await enforce.end('SIGINT'));
    const { stdout } = bouheki('drift', file, '--db', db);
    assert.match(stdout, /^ +unknown container in \/strange\/box uid 0 +tcp 10\.0\.1\.1:80 /m);
  });

  test('is what target container is about', async () => {
    const rules = ['network:', '  mode: block', '  target: container', '  cidr: { allow: [10.0.1.0/24] }'];
    writeFileSync(file, `${rules.join('\n')}\n`, { mode: 0o600 });
    const enforce = await Running.start('enforce', file, '--db', join(place, 'target.duckdb'));
    assert.ok(curlRefused(strange(...curl('http://203.0.113.7/'))));
    assert.equal(run(...curl('http://203.0.113.7/')).status, 0);
    succeeded(await enforce.end('SIGINT'));
    const rows = await query(join(place, 'target.duckdb'), 'SELECT DISTINCT in_container FROM connections');
    assert.deepEqual(rows, [{ in_container: true }]);
  });
});
