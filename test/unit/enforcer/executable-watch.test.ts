import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { FileObject } from '../../../bpf/executable.ts';
import { applyPolicy } from '../../../enforcer/apply.ts';
import { compilePolicy } from '../../../enforcer/compile.ts';
import { ExecutableWatch } from '../../../enforcer/executable-watch.ts';
import { decide } from './kernel-judge.ts';
import { fileAt, KernelTables } from './kernel-tables.ts';

const TO = { family: 4, address: 0x0a00_0001n, port: 443, protocol: 6 } as const;

/** A policy that allows what the path `tool` means, and nothing else. */
function watch(t: TestContext, make: (folder: string) => void) {
  const folder = mkdtempSync(join(tmpdir(), 'watch-'));
  make(folder);
  const path = join(folder, 'tool');
  const kernel = new KernelTables();
  const boxes = [{ action: 'allow', name: 'one', from: { exe: [path] }, to: {} }] as const;
  const log = { format: 'json', level: 'info', labels: {} } as const;
  const policy = { version: 2, mode: 'block', target: 'host', boxes: boxes as never, log } as const;
  const watch = new ExecutableWatch(kernel.egress, boxes as never);
  const options = { mode: 'block', target: 'host', record: true, cgroups: [] } as const;
  applyPolicy(
    kernel.egress,
    compilePolicy(policy, (each) => watch.resolve(each)),
    options,
  );
  t.after(() => {
    watch[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });
  const allows = (executable: FileObject) =>
    decide(
      kernel,
      {
        comm: Buffer.alloc(16),
        uid: 0,
        euid: 0,
        gid: 0,
        egid: 0,
        cgroups: [],
        executable,
      },
      TO,
    ) === 0;
  return { allows, folder, kernel, path, watch };
}

test('a file that took the place of another is allowed, and the deleted one for what still runs it', (t) => {
  const {
    allows,
    folder,
    kernel,
    path,
    watch: watching,
  } = watch(t, (place) => writeFileSync(join(place, 'tool'), ''));
  assert.deepEqual(watching.look(), []);
  const old = fileAt(path);
  writeFileSync(join(folder, 'new'), '');
  renameSync(join(folder, 'new'), path);
  const next = fileAt(path);
  assert.notEqual(old.inode, next.inode, 'the number of a deleted file is not given away');
  assert(!allows(next));
  assert.deepEqual(watching.look(), [{ path, change: 'replaced' }]);
  assert(allows(next));
  assert(allows(old));
  assert.equal(kernel.epochs, 1);
  assert.deepEqual(watching.look(), []);
});

test('of a file that is replaced again and again the last eight deleted ones are allowed', (t) => {
  const {
    allows,
    folder,
    path,
    watch: watching,
  } = watch(t, (place) => writeFileSync(join(place, 'tool'), ''));
  const files = [fileAt(path)];
  for (let count = 0; count < 9; count += 1) {
    writeFileSync(join(folder, 'new'), '');
    renameSync(join(folder, 'new'), path);
    assert.deepEqual(watching.look(), [{ path, change: 'replaced' }]);
    files.push(fileAt(path));
  }
  assert.deepEqual(
    files.map((file) => allows(file)),
    [false, ...files.slice(1).map(() => true)],
  );
});

test('a link that leads elsewhere takes the rule with it', (t) => {
  const {
    allows,
    folder,
    path,
    watch: watching,
  } = watch(t, (place) => {
    writeFileSync(join(place, 'one'), '');
    writeFileSync(join(place, 'two'), '');
    symlinkSync('one', join(place, 'tool'));
  });
  rmSync(path);
  symlinkSync('two', path);
  assert.deepEqual(watching.look(), [{ path, change: 'replaced' }]);
  assert(allows(fileAt(join(folder, 'two'))));
  assert(!allows(fileAt(join(folder, 'one'))));
});

test('a path that means nothing is missing, and found when it does', (t) => {
  const { allows, path, watch: watching } = watch(t, () => {});
  assert.deepEqual(watching.missing, [path]);
  writeFileSync(path, '');
  assert.deepEqual(watching.look(), [{ path, change: 'appeared' }]);
  assert(allows(fileAt(path)));
  rmSync(path);
  assert.deepEqual(watching.look(), [{ path, change: 'vanished' }]);
  assert.deepEqual(watching.missing, [path]);
});
