import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { appendOutput } from '../../../../cli/option/output-file.ts';
import { directoryFor } from '../fixture.ts';

test('what is added comes behind what a file holds, which keeps its mode; where there is none it is made', (t) => {
  const file = join(directoryFor(t), 'summary.md');
  appendOutput(file, 'one\n');
  chmodSync(file, 0o640);
  appendOutput(file, 'two\n');
  assert.equal(readFileSync(file, 'utf8'), 'one\ntwo\n');
  assert.equal(statSync(file).mode & 0o777, 0o640);
});

test('a link of ours is followed, and stays one', (t) => {
  const directory = directoryFor(t);
  const [file, link] = [join(directory, 'file'), join(directory, 'link')];
  writeFileSync(file, 'one\n');
  symlinkSync(file, link);
  appendOutput(link, 'two\n');
  assert.equal(readFileSync(file, 'utf8'), 'one\ntwo\n');
});
