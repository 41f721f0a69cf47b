import assert from 'node:assert/strict';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeDurable } from '../../../../fleet/self/durable-file.ts';

test('a link under the name beside a file is not followed, and what an interruption has left is no hindrance', (t) => {
  const place = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(place, { recursive: true }));
  const other = join(place, 'other');
  writeFileSync(other, 'kept', { mode: 0o644 });
  const file = join(place, 'file');
  symlinkSync(other, `${file}.new`);
  writeDurable(file, 'new');
  assert.deepEqual([readFileSync(other, 'utf8'), readFileSync(file, 'utf8')], ['kept', 'new']);
  writeFileSync(`${file}.new`, 'half', { mode: 0o644 });
  writeDurable(file, 'newer');
  assert.deepEqual([readFileSync(file, 'utf8'), statSync(file).mode & 0o777], ['newer', 0o600]);
  assert.deepEqual(readdirSync(place).toSorted(), ['file', 'other']);
});
