import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BpfObject } from '../../../bpf/object.ts';
import { Tables } from '../../../bpf/wire.ts';

const FOLDER = join(import.meta.dirname, '../../../bpf');

test('an object that was built from other sources is refused by the sizes of its maps', () => {
  const files = readdirSync(FOLDER).filter((file) => /^egress.*\.bpf\.o$/.test(file));
  assert.ok(files.length >= 5, files.join());
  for (const file of files) {
    const object = BpfObject.open(join(FOLDER, file));
    object.map('policy', 4, Tables.size);
    assert.throws(() => object.map('policy', 4, Tables.size - 64), {
      code: 'kernel',
      message: /is of another version than bouheki itself$/,
      remedy: /npm run build:bpf/,
    });
  }
});
