/** With on_exit: keep the kernel goes on by itself when the process ends, and the next one takes over without a gap. */
import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bouheki, query, Running } from './bouheki.ts';
import { programsLeft, startNetwork, stopNetwork } from './guest.ts';
import { Hammer } from './hammer.ts';
import { becomesReachable, db, DENIED, KEEP, OTHER, pinned, PINS, removePins } from './keeping.ts';

const running: Running[] = [];
const hammers: Hammer[] = [];

async function start(): Promise<Running> {
  const enforce = await Running.start('enforce', KEEP, '--db', db);
  running.push(enforce);
  return enforce;
}

before(startNetwork);
after(async () => {
  for (const hammer of hammers) await hammer.end();
  for (const each of running) await each.end('SIGKILL');
  removePins();
  stopNetwork();
});

test('what is denied stays denied through SIGKILL, restart and a clean end, and what is allowed never fails', async () => {
  const first = await start();
  const denied = new Hammer(DENIED);
  const other = new Hammer(OTHER, 100);
  hammers.push(denied, other);
  await first.end('SIGKILL');
  await denied.go(20);
  assert.equal(pinned().length, 1);
  // As a version would leave it of which nothing is known but that.
  const [left] = pinned();
  assert.match(left!, new RegExp(`^v1-${first.pid}-\\d+$`));
  renameSync(join(PINS, left!), join(PINS, left!.replace('v1', 'v99')));

  const second = await start();
  assert.match(second.stderr, /^No pre-flight: the kernel enforces the policy \w{12} already\.$/m);
  assert.match(
    second.stderr,
    /^The policy \w{12} takes the place of \w{12} of \S+keep\.yaml, which the kernel alone enforced\.$/m,
  );
  assert.match(
    second.stderr,
    /^For \S+ the kernel alone enforced the policy \w{12} of \S+keep\.yaml, and nothing was recorded: the process was cut off at \S+\.$/m,
  );
  assert.match(pinned().join(' '), new RegExp(`^v1-${second.pid}-\\d+$`));
  await denied.go(20);
  // The new process judges and records again.
  await second.logged({ Addr: DENIED, Action: 'BLOCKED' });

  const { status, stderr } = await second.end('SIGTERM');
  assert.equal(status, 0);
  assert.match(
    stderr,
    /connections; the kernel goes on enforcing the policy, until `bouheki enforce` takes over or `bouheki detach` ends that\.$/m,
  );
  await denied.go(20);
  await other.go(20);
  const refusals = await denied.end();
  assert.deepEqual(Object.keys(refusals), ['EPERM'], JSON.stringify(refusals));
  const answers = await other.end();
  assert.deepEqual(Object.keys(answers), ['reached'], JSON.stringify(answers));

  const ended = bouheki('detach');
  assert.equal(ended.status, 0, ended.stderr);
  assert.match(ended.stdout, /^Ended: the policy \w{12} of \S+keep\.yaml, which process \d+ had left\.$/m);
  assert.ok(becomesReachable(DENIED));
  assert.deepEqual(programsLeft(), []);
  assert.deepEqual(pinned(), []);
  assert.equal(bouheki('detach').stdout, 'Nothing is kept.\n');
  const [{ kept } = { kept: 0 }] = await query<{ kept: number }>(
    db,
    `SELECT count(*)::int AS kept FROM connections WHERE address = '${DENIED}' AND verdict <> 'allow'`,
  );
  assert.ok(kept > 0, `${kept} denials are recorded`);
});
