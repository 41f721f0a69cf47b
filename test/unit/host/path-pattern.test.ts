import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { BouhekiError } from '../../../error/error.ts';
import { directoryBefore, expandPattern } from '../../../host/path-pattern.ts';
import { matchesGlob } from '../../../policy/value/name.ts';

const AS_ROOT = { skip: process.getuid!() !== 0 && 'only root can give directories away' };

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function install(folder: string, ...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), '');
  }
}

test('files that match are found, through links too, and no directories or broken links', (t) => {
  const folder = folderFor(t);
  install(folder, 'jvm/17/bin/java', 'jvm/21/bin/java', 'jvm/21/lib/java', 'other/bin/java');
  mkdirSync(join(folder, 'jvm/8/bin/java'), { recursive: true });
  symlinkSync('21', join(folder, 'jvm/default'));
  symlinkSync('../other', join(folder, 'jvm/linked'));
  symlinkSync('nowhere', join(folder, 'jvm/broken'));
  const { faults, paths } = expandPattern(`${folder}/jvm/*/bin/java`, matchesGlob);
  assert.deepEqual(
    paths.map((path) => path.slice(folder.length)),
    ['17', '21', 'default', 'linked'].map((name) => `/jvm/${name}/bin/java`),
  );
  assert.deepEqual(faults, []);
  assert.deepEqual(expandPattern(`${folder}/none/*/java`, matchesGlob).paths, []);
  assert.equal(directoryBefore('/a/b*/c'), '/a');
  assert.equal(directoryBefore('/*/c'), '/');
});

test('what changes makes an expansion stale, and nothing else does', async (t) => {
  const folder = folderFor(t);
  install(folder, 'app/1/run');
  const pattern = `${folder}/app/*/run`;
  // Time stamps are coarse: what was changed just now is looked at again.
  const settled = async () => {
    for (;;) {
      const found = expandPattern(pattern, matchesGlob);
      if (!found.isStale()) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const first = await settled();
  install(folder, 'app/2/other');
  assert.ok(first.isStale());
  const second = await settled();
  install(folder, 'app/2/run');
  assert.ok(second.isStale());
  const third = await settled();
  assert.equal(third.paths.length, 2);
  chmodSync(join(folder, 'app'), 0o777);
  assert.ok(third.isStale());
});

test('a directory that others can write before the first * is an error that names it', AS_ROOT, (t) => {
  const folder = folderFor(t);
  install(folder, 'app/1/run');
  for (const change of [
    () => chmodSync(join(folder, 'app'), 0o1777),
    () => chmodSync(join(folder, 'app'), 0o775),
    () => {
      chmodSync(join(folder, 'app'), 0o755);
      chownSync(join(folder, 'app'), 1000, 1000);
    },
  ]) {
    change();
    assert.throws(
      () => expandPattern(`${folder}/app/*/run`, matchesGlob),
      (error) =>
        error instanceof BouhekiError &&
        error.code === 'untrusted' &&
        error.message.includes(`${folder}/app `),
    );
  }
  assert.throws(() => expandPattern(`${tmpdir()}/*/run`, matchesGlob), /can be written by every user/);
});

test('a match that others can write, or a link that they made, is passed over and named', AS_ROOT, (t) => {
  const folder = folderFor(t);
  install(folder, 'app/1/run', 'app/2/run', 'app/3/run');
  chmodSync(join(folder, 'app/2'), 0o777);
  chownSync(join(folder, 'app/3'), 1000, 1000);
  symlinkSync('1', join(folder, 'app/4'));
  linkSync(join(folder, 'app/1/run'), join(folder, 'app/1/again'));
  const { faults, paths } = expandPattern(`${folder}/app/*/run`, matchesGlob);
  assert.deepEqual(paths, [`${folder}/app/1/run`, `${folder}/app/4/run`]);
  assert.deepEqual(
    faults.map(({ message }) => [2, 3].find((number) => message.includes(`${folder}/app/${number} `))).sort(),
    [2, 3],
  );
});

test('a pattern that matches very many files is an error', (t) => {
  const folder = folderFor(t);
  for (let index = 0; index < 257; index += 1) install(folder, `app/${index}`);
  assert.throws(() => expandPattern(`${folder}/app/*`, matchesGlob), /matches more than 256 files/);
});
