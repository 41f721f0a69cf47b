import assert from 'node:assert/strict';
import test from 'node:test';
import { ClockWatch } from '../../../../profiler/record/clock-watch.ts';
import { RetentionClock } from '../../../../profiler/store/retention-clock.ts';

const SECOND = 1_000_000;
const DAY = 24 * 3600 * SECOND;
const YEAR = 365 * DAY;

/** Two clocks: one that shows what it was set to, and one that only goes forward. */
class Clocks {
  wall = 50 * YEAR;
  boot = 7 * SECOND;
  readonly watch = new ClockWatch(
    () => this.wall,
    () => this.boot,
  );

  pass(time: number): void {
    this.wall += time;
    this.boot += time;
  }
}

test('a clock that is set is told from time that passes, in both directions', () => {
  const clocks = new Clocks();
  clocks.pass(DAY);
  assert.equal(clocks.watch.look(), 0);
  clocks.wall += YEAR;
  assert.equal(clocks.watch.look(), YEAR);
  assert.equal(clocks.watch.look(), 0, 'it is told once');
  clocks.wall = 0;
  assert.equal(clocks.watch.look(), -51 * YEAR - DAY);
  assert.equal(clocks.watch.passed, DAY, 'no more has passed');
});

test('a clock that is slowly put right, or a process that was stopped between two readings, is no step', () => {
  const clocks = new Clocks();
  for (let look = 0; look < 100; look++) {
    clocks.pass(SECOND);
    clocks.wall += SECOND / 10;
    assert.equal(clocks.watch.look(), 0);
  }
  let readings = 0;
  const stopped = new ClockWatch(
    () => 0,
    () => (readings += SECOND),
  );
  assert.equal(stopped.look(), 0);
});

test('what a leap of the clock says is old is old when the clock has held for a day', () => {
  const clocks = new Clocks();
  const retention = new RetentionClock(clocks.wall, () => clocks.wall, clocks.watch);
  clocks.pass(DAY / 2);
  assert.equal(retention.now(), clocks.wall);
  const before = clocks.wall;
  clocks.wall += YEAR;
  assert.equal(retention.now(), before);
  clocks.pass(DAY / 2);
  assert.equal(retention.now(), before + DAY / 2, 'time passes all the same');
  clocks.wall -= YEAR;
  assert.equal(retention.now(), clocks.wall, 'somebody has put it right');
  clocks.wall += YEAR;
  retention.now();
  clocks.pass(DAY);
  assert.equal(retention.now(), clocks.wall, 'it has held');
});

test('a clock that is behind makes nothing old', () => {
  const clocks = new Clocks();
  const retention = new RetentionClock(clocks.wall + YEAR, () => clocks.wall, clocks.watch);
  assert.equal(retention.now(), clocks.wall);
  clocks.wall = 0;
  assert.equal(retention.now(), 0);
});

test('a record that was last written long ago is not old at once', () => {
  const clocks = new Clocks();
  const retention = new RetentionClock(clocks.wall - YEAR, () => clocks.wall, clocks.watch);
  assert.equal(retention.now(), clocks.wall - YEAR);
  clocks.pass(DAY);
  assert.equal(retention.now(), clocks.wall);
});
