import assert from 'node:assert/strict';
import test from 'node:test';
import { formatTable } from '../../../../cli/terminal/table.ts';
import { visible } from '../../../../error/visible.ts';

test('columns are as wide as their widest cell, and lines end without spaces', () => {
  assert.deepEqual(
    formatTable(
      ['NAME', 'N'],
      [
        ['a', '1,204'],
        ['größer', ''],
      ],
    ),
    ['NAME    N', 'a       1,204', 'größer'],
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
