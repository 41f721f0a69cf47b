/** A file that has the inode number of an allowed program, on file systems where any user can make one, is not that program. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, linkSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Egress } from '../../bpf/egress.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { compilePolicy } from '../../enforcer/compile.ts';
import { ExecutableWatch } from '../../enforcer/executable-watch.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { primeIdentities } from '../../profiler/identity/prime.ts';
import { collide, mountOverlay, type Pair, run, USER } from './collision.ts';

const ATTEMPT = join(import.meta.dirname, 'identity/attempt');
/** Numbers that an allowed program may have, so that one of them is met. */
const PROGRAMS = 8;
const folder = mkdtempSync('/tmp/same-inode-');
let egress: Egress | undefined;
let watch: ExecutableWatch | undefined;

function told(...words: string[]): string {
  const { error, status, stderr, stdout } = spawnSync(words[0]!, words.slice(1), {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert(!error && status === 0, `${words.join(' ')}: ${error?.message ?? `status ${status} ${stderr}`}`);
  return stdout.trim();
}

/** Puts programs into `bin`, of root, some way into the numbers of its file system. */
function install(bin: string): string[] {
  mkdirSync(bin, { recursive: true });
  for (let count = 0; count < 40; count += 1) writeFileSync(join(bin, `filler${count}`), '');
  return Array.from({ length: PROGRAMS }, (_, count) => {
    const path = join(bin, `client${count}`);
    copyFileSync(ATTEMPT, path);
    chmodSync(path, 0o755);
    return path;
  });
}

function onBtrfs(): Pair {
  const mount = join(folder, 'btrfs');
  const image = join(folder, 'btrfs.img');
  mkdirSync(mount);
  for (const module of ['loop', 'btrfs']) run('modprobe', module);
  run('truncate', '-s', '128M', image);
  run('mkfs.btrfs', '-q', image);
  run('mount', '-o', 'loop', image, mount);
  const home = join(mount, 'home');
  mkdirSync(home);
  run('chown', '1000:1000', home);
  run(...USER, 'btrfs', '-q', 'subvolume', 'create', join(home, 'own'));
  return collide(install(join(mount, 'bin')), join(home, 'own'));
}

function onOverlay(): Pair & { link: string } {
  const [lower, upper, merged] = ['lower', 'upper', 'merged'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const directory of [lower, upper, merged]) mkdirSync(directory);
  run('mount', '-t', 'tmpfs', 'tmpfs', lower);
  run('mount', '-t', 'tmpfs', 'tmpfs', upper);
  const programs = install(join(lower, 'bin'));
  linkSync(programs[0]!, join(lower, 'bin/link'));
  mountOverlay(lower, upper, merged);
  mkdirSync(join(merged, 'home'));
  run('chown', '1000:1000', join(merged, 'home'));
  const inside = programs.map((path) => path.replace(lower, merged));
  // The first one has a second name, which is another test's.
  return { ...collide(inside.slice(1), join(merged, 'home')), link: join(merged, 'bin/link') };
}

/** What a program prints that began before anything was loaded. */
class Early {
  readonly #process: ChildProcess;

  constructor(path: string) {
    this.#process = spawn(path, ['later'], { stdio: ['pipe', 'pipe', 'inherit'] });
  }

  async told(): Promise<string> {
    this.#process.stdin!.end('.');
    const [text] = (await once(this.#process.stdout!, 'data')) as [Buffer];
    return String(text).trim();
  }
}

let places: Record<'btrfs' | 'overlay', Pair>;
let link: string;
let early: Record<string, { honest: Early; evil: Early }>;

/** Puts a policy in force for some files, as the daemon does: it holds them. */
function putInForce(action: 'allow' | 'deny', ...paths: string[]): void {
  const rules = `${action}: [{ from: { exe: [${paths.join()}] } }]${action === 'deny' ? ', allow: [{}]' : ''}`;
  const { policy } = parsePolicy(`version: 2\nnetwork: { mode: block, ${rules} }`, 'test');
  const next = new ExecutableWatch(egress!, policy!.boxes);
  const compiled = compilePolicy(policy!, (path) => next.resolve(path));
  assert.deepEqual(compiled.subjects.unresolved, []);
  applyPolicy(egress!, compiled, { mode: 'block', target: 'host', record: false, cgroups: [] });
  watch?.[Symbol.dispose]();
  watch = next;
}

before(() => {
  chmodSync(folder, 0o755);
  const overlay = onOverlay();
  places = { btrfs: onBtrfs(), overlay };
  ({ link } = overlay);
  early = Object.fromEntries(
    Object.entries(places).map(([name, { evil, honest }]) => [
      name,
      { honest: new Early(honest), evil: new Early(evil) },
    ]),
  );
  egress = Egress.load();
  primeIdentities(egress);
});

after(() => {
  egress?.[Symbol.dispose]();
  watch?.[Symbol.dispose]();
});

for (const place of ['btrfs', 'overlay'] as const) {
  test(`on ${place} a program that uid 1000 has made with the number of an allowed one is denied`, async () => {
    const { evil, honest } = places[place];
    assert.equal(statSync(honest).ino, statSync(evil).ino);
    putInForce('allow', honest);
    assert.equal(told(...USER, honest), 'allowed');
    assert.equal(told(...USER, evil), 'denied');
    assert.equal(await early[place]!.honest.told(), 'allowed', 'older than the programs of the kernel side');
    assert.equal(await early[place]!.evil.told(), 'denied', 'older than the programs of the kernel side');
  });

  test(`on ${place} what ran before a policy named its program is that program`, async () => {
    const { evil, honest } = places[place];
    putInForce('allow', ATTEMPT);
    const before = { honest: new Early(honest), evil: new Early(evil) };
    writeFileSync('/proc/sys/vm/drop_caches', '2');
    putInForce('allow', honest);
    assert.equal(await before.honest.told(), 'allowed');
    assert.equal(await before.evil.told(), 'denied');
  });

  test(`on ${place} an allowed program stays allowed when the kernel drops its caches`, () => {
    const { evil, honest } = places[place];
    putInForce('allow', honest);
    for (const what of ['2', '3']) {
      writeFileSync('/proc/sys/vm/drop_caches', what);
      assert.equal(told(honest), 'allowed');
      assert.equal(told(evil), 'denied');
    }
  });
}

test('names of one file in the lower layer of an overlay are one program', () => {
  const first = link.replace('/link', '/client0');
  putInForce('allow', first);
  assert.equal(told(first), 'allowed');
  assert.equal(told(link), 'allowed');
  writeFileSync('/proc/sys/vm/drop_caches', '2');
  assert.equal(told(link), 'allowed');
  putInForce('deny', first);
  assert.equal(told(first), 'denied');
  assert.equal(told(link), 'denied');
  assert.equal(told(places.overlay.honest), 'allowed');
});

test('a program that is copied to the upper layer stays the program that a rule names', () => {
  const { honest } = places.overlay;
  putInForce('allow', honest);
  chmodSync(honest, 0o711);
  assert.equal(told(honest), 'allowed');
  assert.deepEqual(
    watch!.look().filter(({ change }) => change === 'vanished'),
    [],
  );
  assert.equal(told(honest), 'allowed');
});

test('a program of the root file system stays allowed when the kernel drops its caches', () => {
  putInForce('allow', ATTEMPT, '/usr/bin/env', '/usr/bin/perl');
  for (const words of [[ATTEMPT], ['/usr/bin/env', ATTEMPT]]) {
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    assert.equal(told(...words), 'allowed');
  }
});
