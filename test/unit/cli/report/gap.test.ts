import assert from 'node:assert/strict';
import test from 'node:test';
import { describeGaps } from '../../../../cli/report/gap.ts';
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
