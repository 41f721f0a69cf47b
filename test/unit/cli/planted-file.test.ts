import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { readPolicyText } from '../../../cli/option/policy-file.ts';
import { asAttacker, noAttacker, sharedDirectory } from '../host/attacker.ts';
import { directoryFor, record, runCommand } from './fixture.ts';

test(
  'what decides on a policy is not taken from files that a user has planted',
  { skip: noAttacker },
  async (t) => {
    const shared = sharedDirectory(t);
    const directory = directoryFor(t);
    const db = await record(directory, [{}]);
    asAttacker(
      `process.chdir(argv[0]); fs.writeFileSync('list', ''); fs.writeFileSync('flows.csv', '');
    fs.writeFileSync('policy.yaml', 'version: 2\\nnetwork:\\n  mode: monitor\\n  target: host\\n  allow:\\n    - name: theirs\\n      to: [{ cidr: [192.0.2.1/32] }]\\n');`,
      shared,
    );
    const list = join(shared, 'list');
    const policy = join(shared, 'policy.yaml');
    const output = join(directory, 'out');
    for (const [name, ...args] of [
      ['generate', '--db', db, '--deny', `@${list}`],
      ['generate', '--db', db, '--owners', list],
      ['generate', '--db', db, '--base', policy, '--output', output],
      ['review', policy, '--db', db, '--json'],
      ['import', join(shared, 'flows.csv'), '--format', 'csv', '--db', db],
    ] as const) {
      const { status, stderr, stdout } = runCommand(name, ...args);
      assert.deepEqual([status, stdout], [2, ''], [name, ...args].join(' '));
      assert.match(
        stderr,
        /^untrusted: .* can be changed by users other than root: it belongs to uid 1000$/m,
      );
    }
    // Only looked at.
    assert.match(readPolicyText(policy), /^version: 2/);
    assert.equal(runCommand('generate', '--db', db, '--base', policy, '--check').status, 1);
  },
);

test('a pipe in place of a list is told, one that the caller gives is read', async (t) => {
  const directory = directoryFor(t);
  const db = await record(directory, [{}]);
  const pipe = join(directory, 'pipe');
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  assert.match(
    runCommand('generate', '--db', db, '--deny', `@${pipe}`).stderr,
    /^usage: cannot read the deny list/,
  );
  writeFileSync(join(directory, 'list'), '192.0.2.0/24\n');
  chmodSync(join(directory, 'list'), 0o666);
  const main = join(import.meta.dirname, '../../../bundle/main.js');
  const command = '"$0" "$1" generate --db "$2" --deny @<(cat "$3") > "$4"';
  const { stderr, status } = spawnSync(
    'bash',
    ['-c', command, process.execPath, main, db, join(directory, 'list'), join(directory, 'policy')],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  assert.match(readFileSync(join(directory, 'policy'), 'utf8'), /192\.0\.2\.0\/24/);
});
