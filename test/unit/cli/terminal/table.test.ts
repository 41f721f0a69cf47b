import assert from 'node:assert/strict';
import test from 'node:test';
import { formatTable } from '../../../../cli/terminal/table.ts';
import { displayWidth } from '../../../../format/display-width.ts';
import { visible } from '../../../../error/visible.ts';

test('columns are as wide as their widest cell, numbers stand to the right, and lines end without spaces', () => {
  assert.deepEqual(
    formatTable(
      ['NAME', 'N'],
      [
        ['a', '1,204'],
        ['größer', ''],
        ['b', '7'],
      ],
    ),
    ['NAME        N', 'a       1,204', 'größer', 'b           7'],
  );
});

test('a table without rows is its head', () => {
  assert.deepEqual(formatTable(['A', 'B'], []), ['A  B']);
});

test('a name cannot drive the terminal', () => {
  assert.equal(visible('a\u001b[2Jb\n\u202e'), 'a\\u{1b}[2Jb\\u{a}\\u{202e}');
  assert.deepEqual(formatTable(['A'], [['\r']]), ['A', '\\u{d}']);
});

test('a table may have more lines than a function call arguments', () => {
  assert.equal(
    formatTable(
      ['A'],
      Array.from({ length: 200_000 }, () => ['x']),
    ).length,
    200_001,
  );
});

test('a cell that is very wide moves its own line, not the others', () => {
  const long = 'x'.repeat(61);
  assert.deepEqual(
    formatTable(
      ['A', 'B'],
      [
        ['a', 'b'],
        [long, 'b'],
        ['aaa', 'b'],
      ],
    ),
    ['A    B', 'a    b', `${long}  b`, 'aaa  b'],
  );
});

test('wide and combining characters do not move the columns after them', () => {
  assert.deepEqual(
    formatTable(
      ['NAME', 'TO'],
      [
        ['名前', 'x'],
        ['e\u0301e\u0301', 'x'],
        ['abcd', 'x'],
      ],
    ),
    ['NAME  TO', '名前  x', 'e\u0301e\u0301    x', 'abcd  x'],
  );
});

test('addresses and times are no numbers', () => {
  assert.deepEqual(
    formatTable(
      ['ADDRESS', 'AT'],
      [
        ['10.0.0.1', '1970-01-01 00:00:00Z'],
        ['10.0.0.20', '-'],
      ],
    ),
    ['ADDRESS    AT', '10.0.0.1   1970-01-01 00:00:00Z', '10.0.0.20  -'],
  );
});

const HEAD = ['SUBJECT', 'DESTINATION', 'COUNT', 'FIRST', 'RULE'];
const ROW = [
  `/usr/lib/${'名'.repeat(30)} uid 1000`,
  'tcp 203.0.113.7:443',
  '12,345',
  '2026-11-21 00:00:00Z',
  'near a rule with a name (other destination)',
];

test('a table fits its terminal: the optional column goes, text is cut, numbers are whole', () => {
  for (const width of [120, 80, 50]) {
    const lines = formatTable(HEAD, [ROW], {
      view: { width, colour: false },
      optional: [3],
      indent: 2,
    });
    for (const line of lines)
      assert(displayWidth(line) <= width, `${displayWidth(line)} of ${width}: ${line}`);
    assert.match(lines[0]!, /^ {2}SUBJECT .* COUNT/);
    assert.match(lines[1]!, /^ {2}\/usr\/l.*… .* 12,345 /);
    assert(!lines[1]!.includes('2026') || width === 120);
  }
});

test('a table that has room is the same in a terminal, but for colours', () => {
  const rows = [
    ['a', 'stable'],
    ['b', '-'],
  ];
  const plain = formatTable(['NAME', 'STATE'], rows);
  assert.deepEqual(formatTable(['NAME', 'STATE'], rows, { view: { width: 80, colour: false } }), plain);
  const painted = formatTable(['NAME', 'STATE'], rows, {
    view: { width: 80, colour: true },
    styles: { stable: 'green' },
  });
  assert.deepEqual(painted, [
    '\u001b[1mNAME\u001b[22m  \u001b[1mSTATE\u001b[22m',
    'a     \u001b[32mstable\u001b[39m',
    'b     -',
  ]);
});

test('a name cannot choose a colour, nor one that every object has', () => {
  const options = { view: { colour: true }, styles: { ok: 'green' } } as const;
  assert.equal(formatTable(['A'], [['constructor'], ['\u001b[31m']], options)[2], '\\u{1b}[31m');
});
