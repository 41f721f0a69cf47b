import assert from 'node:assert/strict';
import {
  chownSync,
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

function owner(file: string): number[] {
  const { gid, mode, uid } = statSync(file);
  return [uid, gid, mode & 0o777];
}

test('what root writes into the directory of another user is that user’s, who could not read it otherwise', (t) => {
  if (process.geteuid?.() !== 0) return t.skip('only root can give files away');
  const place = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(place, { recursive: true }));
  writeDurable(join(place, 'own'), 'of root');
  assert.deepEqual(owner(join(place, 'own')), [0, 0, 0o600]);
  chownSync(place, 65_534, 65_533);
  writeDurable(join(place, 'own'), 'of another');
  assert.deepEqual(owner(join(place, 'own')), [65_534, 65_533, 0o600]);
});
