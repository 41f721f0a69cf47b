import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { directoryFor, runCommand } from './fixture.ts';

const ROWS = `ts,comm,exe,script,uid,gid,addr,port,protocol,verdict
2026-11-28T10:00:00Z,node,/usr/bin/node,/opt/app/bin/../lib/cli.js,0,0,10.0.1.2,80,tcp,allow
2026-11-28T10:00:00Z,python3,/usr/bin/python3.11,/opt/app//job.py,0,0,10.0.1.3,80,tcp,allow
2026-11-28T10:00:00Z,sh,/usr/bin/dash,/opt/a/run[1]*.sh,0,0,10.0.1.4,80,tcp,allow
`;

test('scripts by .. and // get rules by their plain paths, and one with * is named with the reason', (t) => {
  const directory = directoryFor(t);
  const [csv, policy] = ['record.csv', 'policy.yaml'].map((name) => join(directory, name)) as [
    string,
    string,
  ];
  const db = join(directory, 'record.duckdb');
  writeFileSync(csv, ROWS);
  const imported = runCommand('import', csv, '--format', 'csv', '--db', db);
  assert.equal(imported.status, 0, imported.stderr);
  const { status, stderr, stdout } = runCommand('generate', '--db', db, '--mode', 'block');
  assert.equal(status, 0, stderr);
  assert.match(
    stdout,
    /from: \{ exe: \[\/usr\/bin\/node\], script: \[\/opt\/app\/lib\/cli\.js\], uid: \[0\] \}/,
  );
  assert.match(
    stdout,
    /from: \{ exe: \[\/usr\/bin\/python3\.11\], script: \[\/opt\/app\/job\.py\], uid: \[0\] \}/,
  );
  const reason = 'no rule can name it: the path of its script holds *';
  const omitted = `Not allowed (unnamed subject): /usr/bin/dash /opt/a/run[1]*.sh uid 0 (${reason}), 1 event`;
  assert.ok(stderr.includes(omitted), stderr);
  writeFileSync(policy, stdout);
  // What is left out is all that drift has to report.
  assert.match(runCommand('drift', policy, '--db', db).stderr, /^Drift: 1 new, 0 denied, in 3 events\.$/m);
  const asked = ['--exe', '/usr/bin/node', '--uid', '0', '--to', '10.0.1.2:80/tcp', '--script'];
  assert.equal(runCommand('explain', policy, ...asked, '/opt/app/bin/../lib/cli.js').status, 0);
});
