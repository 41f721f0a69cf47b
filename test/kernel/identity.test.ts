/** Under `exe: [/usr/bin/curl]` no trick makes another program pass for curl, and curl passes whatever it does. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { Egress } from '../../bpf/egress.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { compilePolicy } from '../../enforcer/compile.ts';
import { ExecutableWatch } from '../../enforcer/executable-watch.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { onCgroup, testedAttachment } from './attachment.ts';

const ATTEMPT = join(import.meta.dirname, 'identity/attempt');
const CURL = '/usr/bin/curl';
const USER = ['setpriv', '--reuid', '1000', '--regid', '1000', '--clear-groups'];

const folder = mkdtempSync('/tmp/identity-');
/** A program that may connect, as curl may, and can do what curl never does. */
const honest = join(folder, 'honest/client');
/** The same program, which may not. */
const foreign = join(folder, 'foreign/program');

let egress: Egress;
let watch: ExecutableWatch;

before(() => {
  chmodSync(folder, 0o755);
  place(honest);
  place(foreign);
  egress = Egress.load(testedAttachment());
  const { policy } = parsePolicy(
    `version: 2\nnetwork: { mode: block, allow: [{ from: { exe: [${CURL}, ${honest}] } }] }`,
    'test',
  );
  assert(policy);
  watch = new ExecutableWatch(egress, policy.boxes);
  const compiled = compilePolicy(policy, (path) => watch.resolve(path));
  assert.deepEqual(compiled.subjects.unresolved, []);
  applyPolicy(egress, compiled, { mode: 'block', target: 'host', record: true, cgroups: [] });
});
after(() => {
  egress[Symbol.dispose]();
  watch[Symbol.dispose]();
});

/** Puts a copy of the program there. */
function place(path: string): string {
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(ATTEMPT, path);
  chmodSync(path, 0o755);
  return path;
}

/** What a program says that ends with `allowed` or `denied` on standard output. */
function told(...words: string[]): string {
  const [program, ...rest] = words;
  const { error, status, stderr, stdout } = spawnSync(program!, rest, { encoding: 'utf8', timeout: 30_000 });
  assert(!error && status === 0, `${words.join(' ')}: ${error?.message ?? `status ${status} ${stderr}`}`);
  return stdout.trim();
}

function shell(script: string, ...before: string[]): string {
  return told(...before, 'sh', '-c', `set -e; ${script}`);
}

/** curl says what connect() said, and fails in either case: there is no route. */
function toldByCurl(): string {
  const { stderr } = spawnSync(CURL, ['-v', '--max-time', '5', 'http://203.0.113.9/'], { encoding: 'utf8' });
  if (stderr.includes('Operation not permitted')) return 'denied';
  assert.match(stderr, /Network is unreachable/);
  return 'allowed';
}

test('curl is allowed, another program is not', () => {
  assert.equal(toldByCurl(), 'allowed');
  assert.equal(told(honest), 'allowed');
  assert.equal(told(foreign), 'denied');
});

for (const by of ['fork', 'thread', 'exec-in-thread', 'without-leader', 'uring']) {
  test(`an allowed program is allowed, another one denied, by ${by}`, () => {
    assert.equal(told(honest, by), 'allowed');
    assert.equal(told(foreign, by), 'denied');
  });
}

test('what an allowed program starts is judged by what it is', () => {
  assert.equal(told(honest, 'start', foreign), 'denied');
  assert.equal(told(foreign, 'start', honest), 'allowed');
});

test('a name is no identity: neither of a file, nor of a link, nor of the process', () => {
  const renamed = join(folder, 'renamed/curl');
  place(`${renamed}.new`);
  renameSync(`${renamed}.new`, renamed);
  assert.equal(told(renamed), 'denied');
  const symbolic = join(folder, 'symbolic/curl');
  mkdirSync(dirname(symbolic));
  symlinkSync(foreign, symbolic);
  assert.equal(told(symbolic), 'denied');
  const hard = join(folder, 'hard/curl');
  mkdirSync(dirname(hard));
  linkSync(foreign, hard);
  assert.equal(told(hard), 'denied');
  assert.equal(told(foreign, 'named', 'curl'), 'denied');
});

test('a link to an allowed program, symbolic or hard, is that program', () => {
  const symbolic = join(folder, 'symbolic/other');
  symlinkSync(honest, symbolic);
  assert.equal(told(symbolic), 'allowed');
  const hard = join(folder, 'hard/other');
  linkSync(honest, hard);
  assert.equal(told(hard), 'allowed');
});

test('a mount over /usr/bin/curl does not make a program curl', () => {
  const mount = `mount --bind ${foreign} ${CURL}; ${CURL}`;
  assert.equal(shell(mount, 'unshare', '--mount'), 'denied');
  assert.equal(shell(`${mount}; umount ${CURL}`), 'denied', 'in the mount namespace of the host');
});

test("another root's /usr/bin/curl is not curl", () => {
  const root = join(folder, 'root');
  place(root + CURL);
  assert.equal(told('chroot', root, CURL), 'denied');
});

test('a user with a mount namespace of its own cannot make a curl there', () => {
  const script = `
    mount -t tmpfs tmpfs /mnt; mkdir /mnt/bin; cp ${foreign} /mnt${CURL.slice(4)};
    mount --bind /mnt /usr; exec ${CURL}`;
  assert.equal(shell(script, ...USER, 'unshare', '--user', '--map-root-user', '--mount'), 'denied');
});

test('a service whose mounts are not those of the host runs the programs of the host', () => {
  assert.equal(told('unshare', '--mount', honest), 'allowed');
  assert.equal(told('unshare', '--mount', foreign), 'denied');
});

test('a user cannot bring an allowed program into a mount namespace of its own', () => {
  assert.equal(told(...USER, honest), 'allowed');
  assert.equal(told(...USER, 'unshare', '--user', '--map-root-user', '--mount', honest), 'denied');
});

/** A user namespace of uid 1000 with mounts of its own, in which it has its own settings; its first process. */
async function foreignMounts(t: TestContext): Promise<number> {
  const script = `mount -t tmpfs tmpfs /mnt; echo /evil.so >/mnt/ld.so.preload
    mount --bind /mnt/ld.so.preload /etc/hosts; echo $$; exec sleep 600`;
  const [program, ...words] = [
    ...USER,
    'unshare',
    '--user',
    '--map-root-user',
    '--mount',
    'sh',
    '-ec',
    script,
  ];
  const holder = spawn(program!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => holder.kill());
  const [pid] = (await once(holder.stdout!, 'data')) as [Buffer];
  return Number(pid);
}

test("whoever enters only a user's namespace, and another's root with it, has not the programs of the host", async (t) => {
  const pid = await foreignMounts(t);
  const enter = [...USER, 'nsenter', '--preserve-credentials', '--user', `--target=${pid}`];
  const root = `/proc/${pid}/root`;
  assert.equal(told(...enter, honest), 'allowed', 'the namespace alone changes nothing');
  assert.equal(told(...enter, 'chroot', root, honest), 'denied');
  assert.equal(told(...enter, root + honest), 'denied', 'the file itself, by way of its mounts');
  assert.equal(told(...enter, foreign, 'open', root + honest), 'denied', 'by a descriptor');
  assert.equal(shell(`cd ${root}${dirname(honest)}; exec ./client`, ...enter), 'denied', 'by its directory');
});

test('a root directory that a user has chosen in a namespace of its own is not that of the host', () => {
  const root = join(folder, 'own');
  mkdirSync(join(root, 'bin'), { recursive: true });
  linkSync(honest, join(root, 'bin/client'));
  const user = [...USER, 'unshare', '--user', '--map-root-user'];
  assert.equal(told(...user, honest), 'allowed');
  assert.equal(told(...user, 'chroot', '/', honest), 'allowed');
  assert.equal(told(...user, 'chroot', root, '/bin/client'), 'denied');
  assert.equal(told(...user, 'chroot', dirname(honest), '/client'), 'denied');
  assert.equal(told(...USER, foreign, 'share-root', honest), 'denied', 'it may be changed after the start');
  assert.equal(told('chroot', root, '/bin/client'), 'allowed', 'root of the host has chosen it');
});

test('a program without a file is never an allowed one', () => {
  assert.equal(told(foreign, 'memfd', 'curl'), 'denied');
  assert.equal(told(honest, 'memfd', 'client'), 'denied');
  const gone = place(join(folder, 'gone/curl'));
  assert.equal(told(foreign, 'deleted', gone), 'denied');
});

test('mm->exe_file, which a user can replace, is not asked', () => {
  assert.equal(told(...USER, foreign, 'pretend', CURL), 'denied');
  assert.equal(told(...USER, foreign, 'pretend', honest, 'uring'), 'denied');
});

test('an allowed program that lets go of its file is not known by it any more', () => {
  assert.equal(told(...USER, honest, 'pretend', CURL), 'denied');
});

test('a process that shares the memory of another cannot replace the file of both', () => {
  // The backend cgroup can't refuse it: what makes it fail here is the kernel, since the file is still mapped.
  assert.equal(told(honest, 'share-memory', CURL), onCgroup() ? 'allowed\nallowed' : 'denied\nallowed');
});

/** Makes a script by which the interpreter connects. */
function script(path: string, interpreter: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!${interpreter} connect\n`);
  chmodSync(path, 0o755);
  return path;
}

test('a script is the program that interprets it', () => {
  assert.equal(told(script(join(folder, 'script/curl'), foreign)), 'denied');
  assert.equal(told(script(join(folder, 'script/other'), honest)), 'allowed');
});

test('a path that is too deep to be told changes nothing', () => {
  const deep = join(folder, ...Array.from({ length: 40 }, (_, depth) => `directory${depth}`));
  assert.equal(told(place(join(deep, CURL))), 'denied');
  linkSync(honest, join(deep, 'client'));
  assert.equal(told(join(deep, 'client')), 'allowed');
});
