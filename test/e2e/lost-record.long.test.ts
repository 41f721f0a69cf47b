/** Whatever becomes of the record, enforcement and its log go on, and learn ends with an error. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
  openSync,
  closeSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pythonTo } from './attempt.ts';
import { Running } from './bouheki.ts';
import { folder, programsLeft, startNetwork, stopNetwork } from './guest.ts';

before(startNetwork);
after(stopNetwork);

/** The process of bouheki that has the database open. */
function storeOf({ pid }: Running): number {
  for (const child of childrenOf(pid)) {
    if (readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('store-child')) return child;
  }
  throw new Error('the process of the store was not found');
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

/** Denies 10.0.1.71, and starts to record. */
async function enforcing(): Promise<{ enforce: Running; db: string; policy: string }> {
  const place = folder();
  const [db, policy] = [join(place, 'record.duckdb'), join(place, 'policy.yaml')];
  writeFileSync(policy, 'network:\n  mode: block\n  cidr:\n    deny: [10.0.1.71/32]\n');
  chmodSync(policy, 0o600);
  const enforce = await Running.start('enforce', policy, '--db', db);
  assert.equal(pythonTo('tcp', '10.0.1.71', 80), 'EPERM');
  await enforce.logged({ Addr: '10.0.1.71', Port: 80 });
  await enforce.recorded(db, `SELECT port FROM connections WHERE address = '10.0.1.71' AND protocol = 'tcp'`);
  return { enforce, db, policy };
}

/** It blocks and logs as before, reads its policy again, and ends with status 2 in the end. */
async function goesOn(enforce: Running, policy: string, why: RegExp): Promise<void> {
  await enforce.until(/^Recording has stopped; enforcement goes on, and ends with status 2\.$/m);
  assert.match(enforce.stderr, why);
  assert.equal(pythonTo('tcp', '10.0.1.71', 81), 'EPERM', 'it still blocks');
  assert.equal(pythonTo('tcp', '10.0.1.1', 80), 'reached');
  await enforce.logged({ Addr: '10.0.1.71', Port: 81 });
  writeFileSync(policy, 'network:\n  mode: block\n  cidr:\n    deny: [10.0.1.72/32]\n');
  const said = enforce.stderr.length;
  enforce.signal('SIGHUP');
  await enforce.until(/^Blocking by /m, said);
  assert.equal(pythonTo('tcp', '10.0.1.72', 82), 'EPERM', 'a new policy comes into force');
  await enforce.logged({ Addr: '10.0.1.72', Port: 82 });
  const { status, stderr } = await enforce.end('SIGTERM');
  assert.equal(status, 2, stderr);
  assert.match(stderr, /^Nothing was recorded from \S+ on; the policy is no longer in force\.$/m);
  assert.doesNotMatch(stderr, /is a bug/);
  assert.deepEqual(programsLeft(), []);
}

for (const signal of ['SIGABRT', 'SIGKILL'] as const) {
  test(`the process of the store ends with ${signal}: enforcement and its log go on`, async () => {
    const { enforce, policy } = await enforcing();
    process.kill(storeOf(enforce), signal);
    await goesOn(
      enforce,
      policy,
      new RegExp(`^bouheki: the process that writes the record ended with ${signal}\n {2}Start again`, 'm'),
    );
  });
}

test('the database is overwritten under the recorder: enforcement and its log go on', async () => {
  const { enforce, db, policy } = await enforcing();
  const garbage = Buffer.alloc(1 << 20, 0xa5);
  truncateSync(db, 0);
  truncateSync(`${db}.wal`, 0);
  const file = openSync(db, 'r+');
  writeSync(file, garbage);
  closeSync(file);
  // What DuckDB makes of that shows when it uses the file, at the latest when it folds its log into it.
  process.kill(storeOf(enforce), 'SIGSEGV');
  await goesOn(enforce, policy, /^bouheki: the (process that writes the record ended|database)/m);
});

test('the process of the store ends: learn ends with an error, and nothing is left in the kernel', async () => {
  const db = join(folder(), 'record.duckdb');
  const learn = await Running.start('learn', '--db', db);
  process.kill(storeOf(learn), 'SIGKILL');
  const { status, stderr } = await learn.end();
  assert.equal(status, 2, stderr);
  assert.match(stderr, /^bouheki: the process that writes the record ended with SIGKILL$/m);
  assert.deepEqual(programsLeft(), []);
});
