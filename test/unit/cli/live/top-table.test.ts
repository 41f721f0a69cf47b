import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keysIn, TopKeys } from '../../../../cli/live/top-keys.ts';
import { type ScreenSize, topScreen, type TopState } from '../../../../cli/live/top-screen.ts';
import { pickRows, TopTable } from '../../../../cli/live/top-table.ts';
import { displayWidth } from '../../../../format/display-width.ts';
import { followed } from './followed.ts';

test('connections are counted by subject, destination and rule, with their rate and what is new', () => {
  const table = new TopTable(0);
  for (let second = 0; second < 20; second += 1) {
    table.add(followed({ count: 3, names: ['example.com'], rule: 'web', isNew: second === 0 }), second);
  }
  table.add(followed({ verdict: 'noted', subject: { exe: '/usr/bin/wget' }, isNew: true }), 19);
  const [curl, wget] = pickRows(table.rows('subject', 19), 'rate', '');
  assert.deepEqual(curl, {
    name: '/usr/bin/curl (ada)',
    rate: 3,
    count: 60,
    denied: 0,
    noted: 0,
    new: 1,
    idle: 0,
  });
  assert.deepEqual(wget, {
    name: '/usr/bin/wget (ada)',
    rate: 0.1,
    count: 1,
    denied: 0,
    noted: 1,
    new: 1,
    idle: 0,
  });
  const destinations = pickRows(table.rows('destination', 24), 'noted', '');
  assert.deepEqual(
    destinations.map(({ idle, name, rate }) => [name, rate, idle]),
    [
      ['10.0.0.1:443/tcp', 0.1, 5],
      ['example.com:443/tcp', 1.5, 5],
    ],
  );
  assert.deepEqual(
    pickRows(table.rows('rule', 24), 'count', '').map(({ name }) => name),
    ['web', '(no rule decided)'],
  );
  assert.deepEqual(pickRows(table.rows('subject', 24), 'name', 'WGET').length, 1);
  assert.deepEqual(
    [table.total, table.summary(24)],
    [
      { count: 61, denied: 0, noted: 1 },
      { rate: 1.6, new: 2 },
    ],
  );
});

test('what would be denied in block mode is counted apart from what was denied', () => {
  const table = new TopTable(0);
  table.add(followed({ verdict: 'deny', count: 2 }), 1);
  table.add(followed({ verdict: 'noted', count: 5 }), 1);
  table.add(followed({ verdict: 'noted', count: 1, subject: { exe: '/usr/bin/wget' } }), 1);
  assert.deepEqual(table.total, { count: 8, denied: 2, noted: 6 });
  assert.deepEqual(
    pickRows(table.rows('subject', 1), 'noted', '').map(({ denied, name, noted }) => [name, denied, noted]),
    [
      ['/usr/bin/curl (ada)', 2, 5],
      ['/usr/bin/wget (ada)', 0, 1],
    ],
  );
});

test('what is new counts for an hour, also what was so before', () => {
  const table = new TopTable(10);
  table.addNew(followed(), 3000, 10);
  table.addNew(followed(), 60, 10);
  const newAt = (now: number): number => table.summary(now).new;
  assert.deepEqual([newAt(10), newAt(900), newAt(4000)], [2, 1, 0]);
});

test('a rate is right from the first second on', () => {
  const table = new TopTable(100);
  table.add(followed({ count: 20 }), 101.5);
  assert.equal(table.summary(102).rate, 10);
});

test('of more rows than it keeps those without traffic for the longest time go', () => {
  const table = new TopTable(0);
  table.add(followed({ destination: { address: 0n } }), 0);
  for (let address = 1; address <= 10_000; address += 1) {
    table.add(followed({ destination: { address: BigInt(address) } }), 1);
    if (address === 5000) table.add(followed({ destination: { address: 0n } }), 1);
  }
  const rows = table.rows('destination', 1);
  assert.equal(rows.length, 10_000);
  assert.ok(
    rows.some(({ count }) => count === 2),
    'one with traffic stays',
  );
  assert.equal(table.total.count, 10_002);
});

test('keys choose the view, the order and the filter, and scroll', () => {
  const keys = new TopKeys();
  const room = { rows: 100, page: 10 };
  const press = (text: string): void => {
    for (const key of keysIn(text)) assert.notEqual(keys.press(key, room), 'quit');
  };
  press('vsp');
  assert.deepEqual(
    [keys.state.grouping, keys.state.order, keys.state.paused],
    ['destination', 'count', true],
  );
  press('\u001b[6~jj\u001b[A');
  assert.equal(keys.state.from, 11);
  press('\u001b[F');
  assert.equal(keys.state.from, 90);
  press('/q\u007fcurl\u001b[31m');
  assert.deepEqual([keys.state.filter, keys.state.typing, keys.state.from], ['curl', true, 0]);
  press('\r');
  assert.deepEqual([keys.state.filter, keys.state.typing], ['curl', false]);
  press('\u001b');
  assert.equal(keys.state.filter, '');
  assert.equal(keys.press('q', room), 'quit');
  assert.equal(keys.press('\u0003', room), 'quit');
});

const state: TopState = {
  db: '/var/lib/bouheki/bouheki.duckdb',
  grouping: 'subject',
  order: 'rate',
  filter: '',
  typing: false,
  paused: false,
  rows: [
    {
      name: '/usr/bin/\u001b[2J\u202egnp名前 (ada)',
      rate: 1234.5,
      count: 1_234_567,
      denied: 3,
      noted: 0,
      new: 1,
      idle: 3,
    },
    { name: `/opt/${'x'.repeat(4096)}`, rate: 0.1, count: 1, denied: 0, noted: 12, new: 0, idle: Infinity },
  ],
  from: 0,
  rate: 1234.5,
  count: 1_234_567,
  denied: 3,
  noted: 0,
  new: 1,
  lost: 7,
  missed: 0,
  readiness: { stable: 3, all: 5 },
};

test('the screen fits into 60, 80 and 200 columns, and into few lines, whatever names hold', () => {
  for (const width of [20, 60, 80, 200]) {
    for (const height of [1, 3, 10, 24]) {
      for (const change of [
        {},
        { paused: true },
        { typing: true, filter: '名前'.repeat(50) },
        { rows: [] },
        { noted: 1_234_567 },
      ]) {
        const lines = topScreen({ ...state, ...change }, { width, height, colour: false });
        assert.ok(lines.length <= height, `${lines.length} lines of ${height}`);
        for (const line of lines) {
          assert.ok(displayWidth(line) <= width || width === 20, `${width}: ${line}`);
          assert.doesNotMatch(line, /[\p{Cc}\u202e]/u);
        }
      }
    }
  }
});

test('a narrow screen has the rate, the denials and what is new; a wide one all', () => {
  const size: ScreenSize = { width: 60, height: 10, colour: false };
  const narrow = topScreen(state, size);
  assert.match(narrow[3]!, /^RATE\/S +DENIED +NEW 1H +SUBJECT$/);
  assert.match(narrow[1]!, /^1,235\/s {2}7 lost {2}1 new in 1h {2}3 denied/);
  const wide = topScreen(state, { ...size, width: 200 });
  assert.match(wide[3]!, /^RATE\/S +COUNT +DENIED +NEW 1H +LAST +SUBJECT$/);
  assert.match(wide[1]!, /3 of 5 subjects stable$/);
  assert.match(
    wide[4]!,
    /^ 1,235 +1,234,567 +3 +1 +3s +\/usr\/bin\/\\u\{1b\}\[2J\\u\{202e\}gnp名前 \(ada\)$/,
  );
  const coloured = topScreen({ ...state, paused: true }, { ...size, colour: true });
  assert.ok(coloured[0]!.endsWith('\u001b[33mpaused\u001b[39m'));
  assert.ok(coloured[1]!.includes('\u001b[31m7 lost\u001b[39m'));
});

test('with a policy in monitor mode there is a column of what would be denied, also on 60 columns', () => {
  const monitored: TopState = { ...state, noted: 12, order: 'noted' };
  const size: ScreenSize = { width: 60, height: 10, colour: false };
  const narrow = topScreen(monitored, size);
  assert.match(narrow[3]!, /^RATE\/S +DENIED +WOULD DENY +NEW 1H +SUBJECT$/);
  assert.match(narrow[5]!, /^ +0\.1 +0 +12 +0 +\/opt\/x+…$/);
  assert.match(narrow[1]!, /3 denied {2}12 would be denied$/);
  assert.match(narrow.at(-1)!, / {2}s by would deny {2}/);
  const wide = topScreen(monitored, { ...size, width: 200 });
  assert.match(wide[3]!, /^RATE\/S +COUNT +DENIED +WOULD DENY +NEW 1H +LAST +SUBJECT$/);
});
