/** The clock on the wall is set by hours and years, back and forth: durations are time that passes, and nothing good goes. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { pythonTo } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { folder, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const place = folder();
const YEAR = 365 * 24 * 3600;
/** What the clock showed, and when, by the clock that only goes forward. */
const began = { wall: Date.now(), passed: performance.now() };

function setClock(seconds: number): void {
  succeeded(run('date', '-s', `@${Math.round(seconds)}`));
}

function rightNow(): number {
  return (began.wall + performance.now() - began.passed) / 1000;
}

before(startNetwork);
afterEach(() => setClock(rightNow()));
after(stopNetwork);

/** Sets the clock, and waits until this recorder has said so. */
async function leap(recorder: Running, seconds: number): Promise<void> {
  const said = recorder.stderr.length;
  setClock(seconds);
  await recorder.until(/^The clock was set, \S+ (back|forward): the record says so/m, said);
}

test('a learning window lasts as long as it should, however often the clock is set meanwhile', async () => {
  const db = join(place, 'learn.duckdb');
  const start = performance.now();
  const learn = await Running.start('learn', '--duration', '40s', '--db', db);
  await leap(learn, rightNow() + YEAR);
  await leap(learn, rightNow() - YEAR);
  await leap(learn, 1000);
  await leap(learn, 4_300_000_000);
  assert.equal(pythonTo('tcp', '10.0.1.1', 80), 'reached');
  const { status, stderr } = await learn.end();
  assert.equal(status, 0, stderr);
  assert(performance.now() - start >= 40_000, 'no clock that is set ends it');
  setClock(rightNow());
  const steps = await query<{ n: number }>(db, 'SELECT count(*)::INTEGER AS n FROM clock_step');
  assert.equal(Number(steps[0]!.n), 4);
  assert.match(succeeded(bouheki('status', '--db', db)).stdout, /^Recording 1: the clock was set 4 times, /m);
});

test('a window that was cut short goes on with what was left, although the clock was set while it ran and since', async () => {
  const db = join(place, 'again.duckdb');
  const first = await Running.start('learn', '--duration', '1h', '--db', db);
  await leap(first, rightNow() + YEAR);
  // Its last words and the lock are of that year.
  const { stderr } = await first.end('SIGTERM');
  assert.match(stderr, /^Stopped before the time was up/m);
  setClock(rightNow());
  const second = await Running.start('learn', '--duration', '1h', '--db', db);
  assert.match(second.stderr, /^Going on with the learning window of /m);
  await leap(second, 1_000_000);
  second.signal('SIGKILL');
  await second.end();
  const third = await Running.start('learn', '--duration', '1h', '--db', db);
  assert.match(third.stderr, /^Going on with the learning window of 1970/m);
  await third.end('SIGINT');
});

test('a leap of the clock makes no event old, and enforcement does not look at the clock', async () => {
  const db = join(place, 'enforce.duckdb');
  const policy = join(place, 'policy.yaml');
  writeFileSync(policy, 'network:\n  mode: block\n  cidr:\n    deny: [10.0.1.66/32]\n', { mode: 0o600 });
  const words = ['enforce', policy, '--db', db, '--retention', '1h'];
  const enforce = await Running.start(...words);
  for (const time of [rightNow() + YEAR, 1000, 2_200_000_000, rightNow()]) {
    await leap(enforce, time);
    assert.equal(pythonTo('tcp', '10.0.1.66', 80), 'EPERM');
    assert.equal(pythonTo('tcp', '10.0.1.2', 80), 'reached');
  }
  assert.equal((await enforce.end('SIGTERM')).status, 0);
  setClock(rightNow() + YEAR);
  // It looks for what is old when it starts, and finishes that before it ends.
  const next = await Running.start(...words);
  assert.equal((await next.end('SIGTERM')).status, 0);
  assert.doesNotMatch(enforce.stderr + next.stderr, /^Folded /m);
});
