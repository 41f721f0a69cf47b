import assert from 'node:assert/strict';
import test from 'node:test';
import { describeGaps } from '../../../../cli/report/gap.ts';
import { describeUnrecorded } from '../../../../generator/subject/window.ts';
import { gapsOf } from '../../../../profiler/read/stretch.ts';
import { HOUR, START } from '../../profiler/fixture.ts';

test('a recording that was cut short is told of with the time in which nothing was recorded', () => {
  const recording = {
    id: 3,
    host: 'web1',
    kernel: '6.1',
    backend: 'lsm',
    command: 'learn',
    target: 'host',
    startedAt: START,
    endedAt: START + HOUR,
    state: 'interrupted' as const,
    events: 1,
    unnamed: 0,
  };
  assert.equal(
    describeGaps([{ ...recording, gap: HOUR / 2 }, recording]),
    'Recording 3 was cut short at 2026-11-21T01:00:00Z; nothing was recorded for 30m.\n',
  );
});

/** A run of learn that began at `startedAt`. */
function run(startedAt: number, hours: number, host = 'web1', backend = 'lsm') {
  return { host, backend, startedAt, endedAt: startedAt + hours * HOUR };
}

test('the time between two runs is told where hold-out and periods are computed over it', () => {
  const [one, other] = [run(START, 24), run(START + 72 * HOUR, 24)];
  const gap = { start: START + 24 * HOUR, end: START + 72 * HOUR };
  assert.deepEqual(gapsOf([other, one]), [gap]);
  // A run within another one, a restart, another host, and what was imported leave no gap.
  const whole = run(START, 96);
  assert.deepEqual(gapsOf([whole, one, other]), []);
  assert.deepEqual(gapsOf([one, run(one.endedAt + 1e6, 1)]), []);
  assert.deepEqual(gapsOf([one, run(START + 72 * HOUR, 1, 'db1')]), []);
  assert.deepEqual(
    gapsOf([run(START, 1, 'web1', 'import'), run(START + 72 * HOUR, 1, 'web1', 'import')]),
    [],
  );
  assert.deepEqual(describeUnrecorded([]), []);
  assert.deepEqual(describeUnrecorded([gap]), [
    'Not recorded: 2d, from 2026-11-22 00:00:00Z to 2026-11-24 00:00:00Z: hold-out, readiness and periods take that for time without events.',
  ]);
  const [several] = describeUnrecorded([{ start: START, end: START + HOUR }, gap]);
  assert.match(several!, /^Not recorded: 2d1h in 2 gaps, most from 2026-11-22 /);
});
