import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { O_PATH } from '../../../../host/descriptor.ts';
import { openInRoot } from '../../../../enforcer/container/in-root.ts';

/** A directory that is the root of a process, with a secret beside it. */
function rootFor(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'in-root-'));
  const root = join(folder, 'root');
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  writeFileSync(join(root, 'usr/bin/wget'), '');
  writeFileSync(join(folder, 'secret'), '');
  const fd = openSync(root, O_PATH);
  t.after(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  /** The inode that a path means, or undefined. */
  const inodeOf = (path: string): number | undefined => {
    const found = openInRoot(fd, path);
    if (found === undefined) return undefined;
    const { ino } = fstatSync(found);
    closeSync(found);
    return ino;
  };
  return { folder, root, inodeOf, fd };
}

test('a path means the file below the root, through links within it', (t) => {
  const { root, inodeOf } = rootFor(t);
  const { ino } = statSync(join(root, 'usr/bin/wget'));
  symlinkSync('usr/bin', join(root, 'bin'));
  symlinkSync('/usr/bin/wget', join(root, 'absolute'));
  symlinkSync('../../bin/./wget', join(root, 'usr/bin/up'));
  linkSync(join(root, 'usr/bin/wget'), join(root, 'usr/hard'));
  for (const path of ['/usr/bin/wget', '/bin/wget', '/absolute', '/usr/bin/up', '/usr/hard']) {
    assert.equal(inodeOf(path), ino, path);
  }
});

test('no link and no .. leads out of the root', (t) => {
  const { folder, root, inodeOf } = rootFor(t);
  const secret = statSync(join(folder, 'secret')).ino;
  symlinkSync(join(folder, 'secret'), join(root, 'absolute'));
  symlinkSync('../secret', join(root, 'relative'));
  symlinkSync('../../../../../../../../..', join(root, 'usr/up'));
  symlinkSync('/proc/self/root', join(root, 'magic'));
  for (const path of ['/absolute', '/relative', `/usr/up${folder}/secret`, `/magic${folder}/secret`]) {
    assert.equal(inodeOf(path), undefined, path);
  }
  assert.equal(inodeOf('/usr/up'), statSync(root).ino, 'above the root is the root');
  writeFileSync(join(root, 'secret'), '');
  assert.equal(inodeOf('/relative'), statSync(join(root, 'secret')).ino);
  assert.notEqual(inodeOf('/relative'), secret);
});

test('links in a circle and paths through files mean nothing', (t) => {
  const { root, inodeOf } = rootFor(t);
  symlinkSync('loop', join(root, 'loop'));
  symlinkSync('/a', join(root, 'b'));
  symlinkSync('/b', join(root, 'a'));
  for (const path of ['/loop', '/a', '/usr/bin/wget/x', '/usr/bin/gone', `/${'x'.repeat(300)}`]) {
    assert.equal(inodeOf(path), undefined, path);
  }
});

test('a pipe that nobody writes to is not waited for, and no file stays open', (t) => {
  const { root, inodeOf } = rootFor(t);
  assert.equal(spawnSync('mkfifo', [join(root, 'pipe')]).status, 0);
  const before = readdirSync('/proc/self/fd').length;
  assert.equal(inodeOf('/pipe'), statSync(join(root, 'pipe')).ino);
  inodeOf('/usr/bin/../../gone');
  assert.equal(readdirSync('/proc/self/fd').length, before);
});
