import assert from 'node:assert/strict';
import test from 'node:test';
import { blocksByPlace, blocksOfEach, judgeBlocks, lookAhead } from '../../../generator/readiness.ts';
import { selectObservations } from '../../../generator/subject/select.ts';
import { observed, START } from './fixture.ts';

const HOUR = 3_600_000_000;
const steady = Array.from({ length: 10 }, () => 100);
const long = { seconds: 7200, atLeast: 3600 };
const judge = (...places: number[][]) => judgeBlocks(places, long);

test('a subject that keeps to its places is stable, as far as so many events can show', () => {
  assert.deepEqual(judge(steady, steady), { state: 'stable', unseen: 0, atMost: 3 / 2000 });
  const few = Array.from({ length: 10 }, () => 10);
  assert.deepEqual(judge(few), { state: 'stabilizing', unseen: 0, atMost: 0.03 });
});

test('no subject is stable that was seen for less than was asked for', () => {
  assert.equal(judgeBlocks([steady], { seconds: 21 * 60, atLeast: 3600 }).state, 'stabilizing');
  assert.equal(judgeBlocks([steady], { seconds: 21 * 60, atLeast: 1200 }).state, 'stable');
  const seen = (last: number) => {
    const observations = [observed({ count: 1000, blocks: steady, last })];
    const { demands } = selectObservations(observations, { deny: [], includeDenied: false });
    return [...lookAhead(demands).readiness.values()].map(({ state }) => state);
  };
  assert.deepEqual(seen(START + 21 * 60_000_000), ['stabilizing']);
  assert.deepEqual(seen(START + HOUR), ['stable']);
});

test('a new place in the last fifth counts with all its events', () => {
  const { atMost, state, unseen } = judge(steady, [0, 0, 0, 0, 0, 0, 0, 0, 0, 200]);
  assert.equal(unseen, 0.5);
  assert.equal(atMost, 0.5 + 3 / 1200);
  assert.equal(state, 'learning');
});

test('places that came up late before the last fifth, or in one tenth only, make the cautious estimate larger', () => {
  const once = judge(steady, [0, 0, 50, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(once.unseen, 0);
  assert.equal(once.atMost, 50 / 1050 + 3 / 1050);
  assert.equal(once.state, 'stabilizing');
  const late = judge(steady, [0, 0, 0, 0, 0, 0, 0, 100, 100, 100]);
  assert.equal(late.unseen, 0);
  // Behind the fifth, the sixth and the seventh tenth it is new.
  assert.equal(late.atMost, (300 / 600 + 300 / 700 + 300 / 800) / 3 + 3 / 1300);
  assert.equal(late.state, 'learning');
});

test('a subject seen once, or in one burst, is still being learnt', () => {
  assert.deepEqual(judge([1000, 0, 0, 0, 0, 0, 0, 0, 0, 0]), { state: 'learning', atMost: 1 });
});

test('subjects that came up late are a sign of others', () => {
  const subjects = ['/usr/bin/a', '/usr/bin/b'].map((exe, at) => {
    const blocks = at === 0 ? steady : [0, 0, 0, 0, 0, 0, 0, 0, 0, 100];
    return observed({ subject: { exe }, count: at === 0 ? 1000 : 100, blocks });
  });
  const select = (all: typeof subjects) =>
    lookAhead(selectObservations(all, { deny: [], includeDenied: false }).demands).outlook;
  assert.deepEqual(select(subjects.slice(0, 1)), { atMost: 0.003, newSubjects: 0.003 });
  const { atMost, newSubjects } = select(subjects);
  assert.equal(newSubjects, 100 / 300 + 3 / 1100);
  assert.equal(atMost, newSubjects);
});

test('the events of each place are the same, whether or not other subjects were at it too', () => {
  const lists = [[at(443, 0), at(80, 1), at(443, 2)], [], [at(80, 3), at(443, 4), at(80, 5), at(53, 6)]];
  const each = blocksOfEach(lists);
  assert.deepEqual(each, lists.map(blocksByPlace));
  assert.deepEqual(
    each.map((places) => places.map((blocks) => blocks.join(''))),
    [['1010000000', '0100000000'], [], ['0001010000', '0000100000', '0000001000']],
  );
});

function at(port: number, tenth: number) {
  return observed({ port, blocks: Array.from({ length: 10 }, (_, part) => (part === tenth ? 1 : 0)) });
}
