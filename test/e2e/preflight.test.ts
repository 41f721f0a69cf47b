/** Before it blocks, `enforce` says what that would do to this host, and does nothing where it would break something. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { pythonTo } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { programsLeft, stopNetwork, succeeded } from './guest.ts';
import { all, db, findings, learnTwo, LOST, part } from './preflight.ts';

async function recordings(): Promise<number> {
  const [row] = await query<{ count: number }>(db, 'SELECT count(*)::INTEGER AS count FROM recording');
  return row!.count;
}

before(learnTwo);
after(stopNetwork);

suite('a policy that denies part of what was recorded', () => {
  test('attaches nothing and ends with 1, and says what would be blocked', async () => {
    const { status, stdout, stderr } = bouheki('enforce', part, '--db', db);
    assert.equal(status, 1, stderr);
    assert.equal(stdout, '');
    assert.match(
      stderr,
      /^STOP +history +3 events of 4 recorded events since \S+Z that went through would be /m,
    );
    assert.match(stderr, LOST);
    assert.doesNotMatch(stderr, /\/usr\/bin\/curl/);
    assert.match(stderr, /`bouheki generate --base`.*--force\.$/m);
    assert.match(stderr, /^Pre-flight: stopped by history(, \d+ warnings?)?\. .* --force\.$/m);
    assert.deepEqual(programsLeft(), []);
    assert.equal(await recordings(), 1);
    assert.equal(pythonTo('tcp', '10.0.3.10', 8080), 'reached');
  });

  test('says the same in a dry run, for people and for programs', () => {
    const { status, stdout } = bouheki('enforce', part, '--dry-run', '--db', db);
    assert.equal(status, 1);
    assert.match(stdout, LOST);
    const json = bouheki('enforce', part, '--dry-run', '--json', '--db', db);
    assert.equal(json.status, 1);
    const { state, entries } = findings(json).history!;
    assert.equal(state, 'stop');
    assert.equal(entries?.length, 1);
    const { count, destinations, examples } = entries[0] as { examples: object[] } & Record<string, unknown>;
    assert.deepEqual([count, destinations, examples.length], [3, 1, 1]);
    assert.deepEqual(programsLeft(), []);
  });
});

test('a policy that allows what was recorded goes on', async () => {
  const enforce = await Running.start('enforce', all, '--db', db);
  assert.match(
    enforce.stderr,
    /^ok +history +None of \d recorded events since .* would be blocked \(replayed in /m,
  );
  assert.match(enforce.stderr, /^ok +loopback +Connections within this host: everybody, by own host\.$/m);
  assert.match(enforce.stderr, /^Pre-flight: nothing stands in the way of blocking/m);
  assert.equal(pythonTo('tcp', '10.0.3.10', 8080), 'reached');
  succeeded(await enforce.end('SIGINT'));
});
