/** Users are shown by number and name, as the host called them when it was recorded. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { directoryFor, record, runCommand } from './fixture.ts';

/** A record of a user of this name and a set-user-id program. */
async function recorded(t: TestContext): Promise<{ directory: string; db: string }> {
  const directory = directoryFor(t);
  const db = await record(directory, [{}, { euid: 0, port: 22 }], {}, (recording) => {
    recording.account('user', 1000, 'ada');
    recording.account('user', 0, 'root');
    recording.account('group', 1000, 'users');
  });
  return { directory, db };
}

test('generate says in a comment who the users of a rule are, and names subjects in its summary', async (t) => {
  const { db } = await recorded(t);
  const { stdout, stderr } = runCommand('generate', '--db', db, '--deny', '10.0.0.0/8');
  assert.match(stderr, /every observation was left out/, stdout);
  const { stdout: short } = runCommand('generate', '--db', db);
  assert.match(short, /^ {4}- name: \/usr\/bin\/curl uid 1000 # 1 event .*, uid 1000 \(ada\)$/m);
  const { stdout: policy } = runCommand('generate', '--db', db, '--evidence', 'full');
  assert.match(policy, /^ {4}# uid 1000 \(ada\)\n(?: {4}#.*\n)* {4}- name: \/usr\/bin\/curl uid 1000$/m);
  assert.match(policy, /^ {4}# uid 0 \(root\), 1000 \(ada\)$/m);
});

test('drift and status name users', async (t) => {
  const { db, directory } = await recorded(t);
  const policy = join(directory, 'policy.yaml');
  writeFileSync(policy, 'version: 2\nnetwork:\n  mode: block\n  allow: []\n');
  const { stdout } = runCommand('drift', policy, '--db', db);
  assert.match(stdout, /^ {2}\/usr\/bin\/curl uid 1000 \(ada\) +tcp 10\.0\.0\.1:443 /m);
  assert.match(stdout, /^ {2}\/usr\/bin\/curl uid 0 \(root\)\+1000 \(ada\) +tcp 10\.0\.0\.1:22 /m);
  const { new: drift } = JSON.parse(runCommand('drift', policy, '--db', db, '--json').stdout);
  assert.deepEqual(
    drift.map(({ uid, euid }: { uid: number; euid?: number }) => [uid, euid]).toSorted(),
    [
      [1000, undefined],
      [1000, 0],
    ].toSorted(),
  );
  const status = runCommand('status', '--db', db).stdout;
  assert.match(status, /^\/usr\/bin\/curl uid 1000 \(ada\) +learning /m);
  assert.match(status, /^\/usr\/bin\/curl uid 0 \(root\)\+1000 \(ada\) +learning /m);
});
