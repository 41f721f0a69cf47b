import assert from 'node:assert/strict';
import test from 'node:test';
import { formatTable } from '../../../cli/table.ts';

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
