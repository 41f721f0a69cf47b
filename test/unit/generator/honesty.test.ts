import assert from 'node:assert/strict';
import test from 'node:test';
import { generatePolicy } from '../../../generator/generate.ts';
import { input, observed, OPTIONS, print, START } from './fixture.ts';

test('what is rare or odd is kept and marked for review, with the reason', () => {
  const HOUR = 3_600_000_000;
  const list = [
    observed({ count: 9, last: START + 100 * HOUR }),
    observed({
      address: 0xcb007105n,
      count: 3,
      first: START + 95 * HOUR,
      last: START + 96 * HOUR,
      blocks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 3],
    }),
    observed({ subject: { exe: '/tmp/x' }, count: 2 }),
    observed({ subject: { exe: '/usr/bin/y (deleted)' }, count: 2 }),
    observed({ subject: { exe: '/usr/bin/z' }, address: 0xa9fea9fen, count: 2 }),
  ];
  const text = print(list, { allowCommandRules: true });
  assert.match(text, /# review: first seen in the last tenth of the window: 203\.0\.113\.5:443\/tcp$/m);
  assert.match(text, /# review: public address without a neighbour in its \/24: 203\.0\.113\.5:443\/tcp$/m);
  assert.match(text, /# review: executable in \/tmp: 10\.0\.0\.1:443\/tcp$/m);
  assert.match(text, /# review: deleted executable: /);
  assert.match(
    text,
    /# review: metadata address, which hands out credentials: 169\.254\.169\.254:443\/tcp$/m,
  );
});

test('the last fifth of the window is replayed against the rest', () => {
  const old = observed({ count: 90, blocks: [10, 10, 10, 10, 10, 10, 10, 10, 5, 5] });
  const late = observed({ port: 22, count: 10, blocks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 10] });
  const { document, holdOut } = generatePolicy(input([old, late]), OPTIONS);
  assert.deepEqual(holdOut, {
    events: 20,
    denied: 10,
    subjects: [{ name: '/usr/bin/curl uid 1000', events: 20, denied: 10 }],
  });
  assert.match(document.header!, /it would deny 50 % of 20 events in the rest/);
});

test('jobs that come at equal distances are told, and what the window is too short for', () => {
  const list = [observed({ last: START + 72 * 3_600_000_000 })];
  const hours = [1, 25, 49].map((hour) => START / 3_600_000_000 + hour);
  const activity = [{ subject: list[0]!.subject, verdict: 'allow' as const, hours }];
  const { header } = generatePolicy(input(list, { activity }), OPTIONS).document;
  assert.match(header!, /^Window shorter than a week: weekly jobs may be missing\.$/m);
  assert.match(
    header!,
    /^Periodic: \/usr\/bin\/curl uid 1000 every 24 hours, 3 times; the window holds few of its rounds\.$/m,
  );
});

test('hours that lie years from the rest are told, and neither window nor periods go by them', () => {
  const HOUR = 3_600_000_000;
  const begin = START / HOUR;
  const daily = Array.from({ length: 9 }, (_, day) => begin + day * 24);
  for (const stray of [0, Date.parse('2036-11-21') / 3_600_000]) {
    const hours = [...daily, stray].toSorted((a, b) => a - b);
    const list = [observed({ count: 10, first: hours[0]! * HOUR, last: hours.at(-1)! * HOUR })];
    const activity = [{ subject: list[0]!.subject, verdict: 'allow' as const, hours }];
    const { document, window } = generatePolicy(input(list, { activity }), OPTIONS);
    const { header } = document;
    assert.match(header!, /^Window: 2026-11-21 00:00:00Z to 2026-11-29 00:/m);
    assert.match(header!, /^Clock: 1 hour with events at .*Z, [\d,]{5,} days from the rest: /m);
    assert.match(header!, /^Periodic: \/usr\/bin\/curl uid 1000 every 24 hours, 9 times/m);
    assert.ok(window.length < 9 * 24 * HOUR);
  }
});

test('what two stretches of a record leave out between them is no distance and no time', () => {
  const HOUR = 3_600_000_000;
  const begin = START / HOUR;
  const daily = [0, 1, 2, 3].map((day) => begin + day * 24);
  const hours = [...daily, ...daily.map((hour) => hour + 60 * 24)];
  const list = [observed({ count: 8, last: hours.at(-1)! * HOUR })];
  const activity = [{ subject: list[0]!.subject, verdict: 'allow' as const, hours }];
  const { header } = generatePolicy(input(list, { activity }), OPTIONS).document;
  assert.match(header!, /^Window shorter than a week: weekly jobs may be missing\.$/m);
  assert.match(header!, /every 24 hours, 8 times/);
  assert.doesNotMatch(header!, /^Clock: /m);
});

test('events of a day are in no more than 24 hours, whichever clock hours they touch', () => {
  const HOUR = 3_600_000_000;
  const first = START + HOUR / 2;
  const day = [observed({ count: 3124, first, last: first + 24 * HOUR - 1, hours: 25 })];
  const hours = Array.from({ length: 25 }, (_, hour) => START / HOUR + hour);
  const activity = [{ subject: day[0]!.subject, verdict: 'allow' as const, hours }];
  const { document } = generatePolicy(input(day, { activity }), OPTIONS);
  assert.match(document.allow![0]!.comment!, /^3,124 events in 24 hours, /);
});
