import assert from 'node:assert/strict';
import { test } from 'node:test';
import { windowOf } from '../../../../cli/option/record-option.ts';

test('a window that ends before it begins is refused, and one side alone is none', () => {
  const db = 'record.duckdb';
  assert.deepEqual(windowOf({ db }), {});
  assert.deepEqual(windowOf({ db, since: 1 }), { since: 1 });
  assert.deepEqual(windowOf({ db, since: 1, until: 2 }), { since: 1, until: 2 });
  for (const until of [1, 0]) {
    assert.throws(() => windowOf({ db, since: 1, until }), {
      code: 'usage',
      message: /nothing is from --since on/,
    });
  }
});
