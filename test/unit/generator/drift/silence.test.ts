import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { silenceOf, WatchedTime } from '../../../../generator/drift/finding/silence.ts';

const HOUR = 3_600_000_000;

/** The generator mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test('time is watched once, however many recordings there were, and not between them', () => {
  const watched = new WatchedTime([
    { start: 50 * HOUR, end: 60 * HOUR },
    { start: 0, end: 10 * HOUR },
    { start: 5 * HOUR, end: 20 * HOUR },
  ]);
  assert.deepEqual([watched.start, watched.end], [0, 60 * HOUR]);
  assert.equal(watched.between(0, 60 * HOUR), 30 * HOUR);
  assert.equal(watched.between(15 * HOUR, 55 * HOUR), 10 * HOUR);
  assert.equal(watched.between(20 * HOUR, 50 * HOUR), 0);
});

test('the chance of a silence is that of the next event coming later, at a rate that is only estimated', () => {
  const watched = new WatchedTime([{ start: 0, end: 200 * HOUR }]);
  const chance = (hours: number) => silenceOf([{ hours, last: 100 * HOUR }], watched).chance!;
  assert.equal(chance(1), 0.5);
  assert.equal(chance(10), 0.5 ** 10);
  // With a long past it is that of a Poisson process whose rate is known.
  const long = new WatchedTime([{ start: 0, end: 1_000_010 * HOUR }]);
  const known = silenceOf([{ hours: 100_000, last: 1_000_000 * HOUR }], long).chance!;
  assert(Math.abs(known - Math.exp(-1)) < 1e-4, String(known));
});

test('silences that are unlikely by that measure are as rare as it says, at whatever rate', () => {
  // The waiting time after h events of a Poisson process, against the quantile that the first h of them give.
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 30 }), fc.integer(), (hours, seed) => {
      const uniform = randomOf(seed);
      const exponential = (): number => -Math.log(1 - uniform()) * HOUR * 50;
      let alarms = 0;
      const runs = 2000;
      for (let run = 0; run < runs; run++) {
        let last = 0;
        for (let event = 0; event < hours; event++) last += exponential();
        const end = last + exponential();
        const { chance } = silenceOf([{ hours, last }], new WatchedTime([{ start: 0, end }]));
        if (chance! < 0.05) alarms += 1;
      }
      assert(alarms / runs < 0.08, `${alarms} of ${runs} for ${hours}`);
    }),
    { numRuns: 20 },
  );
});
