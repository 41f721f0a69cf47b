import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { after, test } from 'node:test';

const ROOT = join(import.meta.dirname, '../../..');
/** What else bundle.js makes a process of its own. */
const PROCESSES = [...readFileSync(join(ROOT, 'bundle.js'), 'utf8').matchAll(/'([\w/-]+\.ts)'/g)]
  .map(([, path]) => path!)
  .filter((path) => path !== 'cli/main.ts');
/** What they share. */
const POLICY = 'policy/removed.ts';
const PROTO = 'profiler/identity/runtime/proto/api.proto';

const place = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
after(() => rmSync(place, { recursive: true }));

/** A program of one line, of which the build script knows no more than of ours. */
function write(path: string, text: string): void {
  mkdirSync(join(place, dirname(path)), { recursive: true });
  writeFileSync(join(place, path), text);
}

const read = (path: string): string => readFileSync(join(place, path), 'utf8');
/** The program as it is compiled. */
const source = (value: number): string => `export const main = ${value};\n//# sourceMappingURL=main.js.map`;
const build = () => spawnSync('bash', ['build.sh'], { cwd: place, encoding: 'utf8' });

copyFileSync(join(ROOT, 'build.sh'), join(place, 'build.sh'));
copyFileSync(join(ROOT, 'bundle.js'), join(place, 'bundle.js'));
copyFileSync(join(ROOT, 'tsconfig.json'), join(place, 'tsconfig.json'));
symlinkSync(join(ROOT, 'node_modules'), join(place, 'node_modules'));
write('package.json', '{ "type": "module" }');
write('cli/main.ts', 'export const main = 1;\n');
for (const path of PROCESSES)
  write(path, `import { removed } from '${relative(dirname(path), POLICY)}';\nconsole.log(removed);\n`);
write(POLICY, 'export const removed = 1;\n');
write('profiler/identity/runtime/api.ts', 'export const api = 1;\n');
write(PROTO, 'message A {}\n');
write('fleet/wire/wire.ts', 'export const wire = 1;\n');
write('fleet/wire/fleet.proto', 'message B {}\n');
// What other scripts make.
write('dist/bpf/egress.bpf.o', 'object');
write('dist/.bpf-sources', 'stamp');

test('a build makes what runs, and leaves what other scripts have made', () => {
  const { status, stderr } = build();
  assert.equal(status, 0, stderr);
  assert.match(read('dist/cli/main.js'), /main = 1/);
  assert.match(read('dist/cli/main.js.map'), /"\.\.\/\.\.\/cli\/main\.ts"/);
  assert.match(read('dist/bundle/main.js'), /main\s*=\s*1/);
  assert.match(read('dist/bundle/store-child.js'), /from\s*"\.\/chunk-/);
  assert.equal(read(`dist/${PROTO}`), 'message A {}\n');
  assert.equal(read('dist/bpf/egress.bpf.o'), 'object');
  assert.equal(read('dist/.bpf-sources'), 'stamp');
});

test('sources that do not compile change nothing', () => {
  write('cli/main.ts', 'export const main: string = 2;\n');
  assert.notEqual(build().status, 0);
  assert.match(read('dist/cli/main.js'), /main = 1/);
});

test('what runs can still import its part of a former bundle, for a day', () => {
  write('dist/bundle/chunk-FORMER.js', '');
  write('dist/bundle/chunk-OLD.js', '');
  const yesterday = Date.now() / 1000 - 2 * 86_400;
  utimesSync(join(place, 'dist/bundle/chunk-OLD.js'), yesterday, yesterday);
  write('cli/main.ts', 'export const main = 1;\n');
  assert.equal(build().status, 0);
  assert.equal(existsSync(join(place, 'dist/bundle/chunk-FORMER.js')), true);
  assert.equal(existsSync(join(place, 'dist/bundle/chunk-OLD.js')), false);
});

test('while two builds run a program is there at any time, whole, and in the end nothing stale is', async () => {
  write('cli/main.ts', 'export const main = 2;\n');
  rmSync(join(place, 'policy'), { recursive: true });
  for (const path of PROCESSES) write(path, 'console.log(1);\n');
  const builds = [1, 2].map(async () => once(spawn('bash', ['build.sh'], { cwd: place }), 'exit'));
  const seen = new Set<string>();
  const state = { running: true };
  const ended = Promise.all(builds).finally(() => (state.running = false));
  while (state.running) {
    seen.add(read('dist/cli/main.js'));
    await turn();
  }
  assert.deepEqual(await ended, [
    [0, null],
    [0, null],
  ]);
  for (const text of seen) assert.ok([source(1), source(2)].includes(text), text);
  assert.equal(read('dist/cli/main.js'), source(2));
  assert.equal(existsSync(join(place, 'dist/policy')), false);
  assert.deepEqual(
    readdirSync(place).filter((name) => name.startsWith('.dist')),
    [],
  );
});
