import assert from 'node:assert/strict';
import test from 'node:test';
import { generatePolicy } from '../../../generator/generate.ts';
import { input, observed, OPTIONS, print, START } from './fixture.ts';

test('what is rare or odd is kept and marked for review, with the reason', () => {
  const HOUR = 3_600_000_000;
  const list = [
    observed({ count: 9, last: START + 100 * HOUR }),
    observed({ address: 0xcb007105n, count: 3, first: START + 95 * HOUR, last: START + 96 * HOUR }),
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
