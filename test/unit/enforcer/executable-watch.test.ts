import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { FileObject } from '../../../bpf/executable.ts';
import { applyPolicy } from '../../../enforcer/apply.ts';
import { compilePolicy } from '../../../enforcer/compile.ts';
import { ExecutableWatch } from '../../../enforcer/executable-watch.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
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

/** A policy that allows the program `run` of each version in a folder, and nothing else. */
function watchPattern(t: TestContext, ...versions: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'watch-'));
  const install = (version: string): string => {
    mkdirSync(join(folder, 'app', version), { recursive: true });
    writeFileSync(join(folder, 'app', version, 'run'), '');
    return join(folder, 'app', version, 'run');
  };
  const files = versions.map(install);
  const { policy } = parsePolicy(
    `version: 2\nnetwork: { mode: block, allow: [{ from: { exe: ["${folder}/app/*/run"] } }] }`,
    'test.yaml',
  );
  const kernel = new KernelTables();
  const watch = new ExecutableWatch(kernel.egress, policy!.boxes);
  const compiled = compilePolicy(policy!, (each) => watch.resolve(each));
  applyPolicy(kernel.egress, compiled, { mode: 'block', target: 'host', record: true, cgroups: [] });
  t.after(() => {
    watch[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });
  const caller = { comm: Buffer.alloc(16), uid: 0, euid: 0, gid: 0, egid: 0, cgroups: [] };
  const allows = (executable: FileObject) => decide(kernel, { ...caller, executable }, TO) === 0;
  return { allows, files, folder, install, watch };
}

test('files that come to match a pattern are allowed, and those that went are not', (t) => {
  const { allows, files, folder, install, watch } = watchPattern(t, '1');
  const one = fileAt(files[0]!);
  assert.ok(allows(one));
  const path = install('2');
  const two = fileAt(path);
  assert.ok(!allows(two));
  assert.deepEqual(watch.look(), [{ path, change: 'appeared' }]);
  assert.ok(allows(one) && allows(two));
  assert.deepEqual(watch.missing, []);
  renameSync(join(folder, 'app/1'), join(folder, 'old'));
  assert.deepEqual(watch.look(), [{ path: files[0], change: 'vanished' }]);
  assert.ok(!allows(one) && allows(two));
  // A deleted one may still run.
  rmSync(join(folder, 'app/2'), { recursive: true });
  assert.deepEqual(watch.look(), [{ path, change: 'vanished' }]);
  assert.ok(allows(two));
  assert.deepEqual(watch.missing, [`${folder}/app/*/run`]);
});

test(
  'a version in a directory of a user is not allowed, and named',
  { skip: process.getuid!() !== 0 && 'not root' },
  (t) => {
    const { allows, install, watch } = watchPattern(t, '1');
    const path = install('2');
    chownSync(join(path, '..'), 1000, 1000);
    assert.deepEqual(watch.look(), []);
    assert.ok(!allows(fileAt(path)));
    assert.match(watch.faults.join(), /\/app\/2 belongs to uid 1000/);
    chownSync(join(path, '..'), 0, 0);
    assert.deepEqual(watch.look(), [{ path, change: 'appeared' }]);
    assert.deepEqual(watch.faults, []);
    // What matched stays when the directory is opened to others; what is put there then does not match.
    chmodSync(join(path, '../..'), 0o777);
    const three = fileAt(install('3'));
    assert.deepEqual(watch.look(), []);
    assert.ok(allows(fileAt(path)) && !allows(three));
    assert.equal(watch.faults.length, 1);
  },
);
