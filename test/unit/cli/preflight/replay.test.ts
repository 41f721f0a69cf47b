import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../../../../cli/preflight/finding.ts';
import { describeEnd, findingsText } from '../../../../cli/preflight/preflight-text.ts';
import { summed } from '../../../../cli/preflight/replay.ts';
import { observed, policyOf, START } from '../../generator/fixture.ts';
import { findDrift } from '../../generator/drift/find-drift.ts';

const POLICY = policyOf('version: 2\nnetwork:\n  mode: block\n  allow: []\n');

test('what would be blocked is summed by subject, the most first, with the destinations of most events', () => {
  const list = Array.from({ length: 25 }, (_, at) =>
    Array.from({ length: 5 }, (_each, port) =>
      observed({
        port: 1000 + port,
        count: (at + 1) * (port + 1),
        first: START,
        last: START + port,
        subject: { exe: `/opt/tool${at}`, command: `tool${at}` },
      }),
    ),
  ).flat();
  const { blocked, top } = summed(findDrift(POLICY, list).new);
  const count = list.reduce((sum, each) => sum + each.count, 0);
  assert.deepEqual(blocked, { count, destinations: 125, subjects: 25 });
  assert.equal(top.length, 20);
  const [first] = top;
  assert.match(first!.subject, /^\/opt\/tool24 /);
  assert.deepEqual([first!.count, first!.destinations, first!.last], [25 * 15, 5, START + 4]);
  assert.deepEqual(
    first!.examples.map((example) => [example.port, example.count]),
    [
      [1004, 125],
      [1003, 100],
      [1002, 75],
    ],
  );
});

test('what was denied then is not summed', () => {
  const { blocked, top } = summed(findDrift(POLICY, [observed({ verdict: 'deny' })]).new);
  assert.deepEqual([blocked.count, top], [0, []]);
});

const STOP: Finding = {
  check: 'history',
  state: 'stop',
  what: 'Of \u001B[31mred\u001B[0m things.',
  why: 'Because.',
  remedy: 'Do this.',
  table: { head: ['SUBJECT'], rows: [['evil\u001B[2J\nname']] },
};
const WARN: Finding = { check: 'ssh', state: 'warn', what: 'Well.' };

test('a finding has a mark, its reason below, and nothing in it reaches the terminal as it is', () => {
  const text = findingsText([STOP, WARN]);
  assert.match(text, /^STOP +history +Of .*red.* things\.$/m);
  assert.match(text, /^ +Because\.\n +Do this\.\nwarn +ssh +Well\.\n$/m);
  // oxlint-disable-next-line no-control-regex
  assert.doesNotMatch(text, /\u001B/);
  assert.equal(text.split('\n').length, 7);
});

test('the end says what stopped it, what was passed over, and that nothing did', () => {
  assert.match(
    describeEnd([STOP, WARN], false),
    /^Pre-flight: stopped by history, 1 warning\. .*--force\.\n$/,
  );
  assert.match(describeEnd([STOP], true), /^Pre-flight: history passed over by --force\.\n$/);
  assert.match(
    describeEnd([WARN], false),
    /^Pre-flight: nothing stands in the way of blocking, 1 warning\.\n$/,
  );
});
