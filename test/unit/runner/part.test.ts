import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';

import { LEVELS } from '../../runner/level.ts';
import { inLanes, isLong, nameOf, partsOf, type Selection, shareOut } from '../../runner/part.ts';
import { Stopwatch } from '../../runner/stopwatch.ts';

test('every file is in exactly one share, and no share is empty', () => {
  const files = ['a', 'b', 'c', 'd', 'e'];
  assert.deepEqual(shareOut(files, 2), [
    ['a', 'c', 'e'],
    ['b', 'd'],
  ]);
  assert.deepEqual(shareOut(['a'], 4), [['a']]);
  assert.deepEqual(shareOut([], 2), []);
});

test('a test file is named without its folder and its ending, one that takes long like others', () => {
  assert.equal(nameOf('dist/test/e2e/loop.test.js'), 'loop');
  assert.equal(nameOf('dist/test/e2e/short-container.test.js'), 'short-container');
  assert.equal(nameOf('dist/test/e2e/docker.long.test.js'), 'docker');
  assert(isLong('dist/test/e2e/docker.long.test.js'));
  assert(!isLong('dist/test/e2e/short-container.test.js'));
});

test('files that take long run where that is asked for, or alone with what was left out, or where they are named', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'test/unit'), { recursive: true });
  for (const name of ['short.test.ts', 'big.long.test.ts', 'helper.ts'])
    writeFileSync(join(root, 'test/unit', name), '');
  const level = LEVELS.find(({ name }) => name === 'unit')!;
  const none = { kernels: [], withoutBpf: false, long: false, files: [] };
  const namesOf = (change: Partial<Selection>) =>
    partsOf(root, level, { ...none, ...change }).flatMap(({ files }) => files.map(nameOf));
  assert.deepEqual(namesOf({}), ['short']);
  assert.deepEqual(namesOf({ long: true }), ['big', 'short']);
  assert.deepEqual(namesOf({ leftOut: true }), ['big']);
  assert.deepEqual(namesOf({ files: ['big'] }), ['big']);
});

test('no more parts run at a time than there are lanes, and all of them run', async () => {
  const done: number[] = [];
  let running = 0;
  let most = 0;
  await inLanes([1, 2, 3, 4, 5], 2, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await turn();
    done.push(item);
    running -= 1;
  });
  assert.deepEqual(done.sort(), [1, 2, 3, 4, 5]);
  assert.equal(most, 2);
});

test('the time of a level is that of all its parts, and the whole is from the first to the last', () => {
  const watch = new Stopwatch();
  watch.add('e2e', 0, 60_000);
  watch.add('unit', 30_000, 90_000);
  watch.add('e2e', 60_000, 100_000);
  assert.equal(
    watch.summary(),
    'time     e2e: 100 s in 2 parts\ntime     unit: 60 s in 1 part\ntime     from first to last: 100 s\n',
  );
});
