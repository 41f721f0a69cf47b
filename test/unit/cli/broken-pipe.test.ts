import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');

test('a reader that has had enough is no error', () => {
  for (const words of ['schema', 'learn --help']) {
    // `true` has ended long before Node has started.
    const { stderr } = spawnSync('sh', ['-c', `{ node ${MAIN} ${words}; echo $? >&2; } | true`], {
      encoding: 'utf8',
    });
    assert.equal(stderr, '0\n');
  }
});
