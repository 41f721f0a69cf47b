/** Under `container: web, exe: /bin/client` no trick makes another program pass for that file of that container. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Egress } from '../../bpf/egress.ts';
import { identifyExecutable } from '../../bpf/executable.ts';
import { namespaceOf } from '../../bpf/namespace.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { compilePolicy } from '../../enforcer/compile.ts';
import { ContainerReader } from '../../enforcer/container-reader.ts';
import { parsePolicy } from '../../policy/parse.ts';

const CGROUPS = '/sys/fs/cgroup';
const ATTEMPT = join(import.meta.dirname, 'identity/attempt');
const folder = mkdtempSync('/tmp/containers-');
const reader = new ContainerReader();
let egress: Egress;

/** A container as a runtime makes one: a cgroup with a name, mounts, processes and a root of its own. */
class Container {
  readonly name: string;
  readonly cgroup: string;
  readonly root: string;
  first: ChildProcess | undefined;

  constructor(name: string, digit: string) {
    this.name = name;
    this.cgroup = `/machine.slice/libpod-${digit.repeat(64)}`;
    this.root = join(folder, name);
    mkdirSync(CGROUPS + this.cgroup, { recursive: true });
    for (const directory of ['bin', 'proc', 'tmp'])
      mkdirSync(join(this.root, directory), { recursive: true });
    for (const program of ['client', 'other']) copyFileSync(ATTEMPT, join(this.root, 'bin', program));
    const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
    copyFileSync(busybox!, join(this.root, 'bin/busybox'));
    for (const applet of ['sh', 'mount', 'cp', 'sleep', 'echo'])
      symlinkSync('busybox', join(this.root, 'bin', applet));
    symlinkSync('/bin/client', join(this.root, 'bin/link'));
    linkSync(join(this.root, 'bin/client'), join(this.root, 'bin/hard'));
  }

  async start(): Promise<void> {
    const script =
      'echo 0 >"$1/cgroup.procs"; exec unshare --mount --pid --fork sh -c "mount --bind $0 $0; exec chroot $0 /bin/sh -c \\"echo ready; sleep 3600\\""';
    this.first = spawn('sh', ['-c', script, this.root, CGROUPS + this.cgroup], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(this.first.stdout!, 'data');
  }

  /** Ends its processes: `unshare` is one of them, and their first one goes with it. */
  async stop(): Promise<void> {
    const ended = once(this.first!, 'exit');
    spawnSync('sh', ['-c', 'kill -9 $(cat "$0/cgroup.procs")', CGROUPS + this.cgroup]);
    await ended;
    while (readFileSync(`${CGROUPS}${this.cgroup}/cgroup.procs`, 'utf8') !== '') await wait(10);
  }

  /** What a program says that is started in the container; `before` is run by the host among the container's mounts. */
  told(words: readonly string[], ...before: string[]): string {
    const { mountNamespace } = this.answer()!;
    const pid = readFileSync(`${CGROUPS}${this.cgroup}/cgroup.procs`, 'utf8')
      .split('\n')
      .find((each) => each !== '' && namespaceOf(Number(each), 'mnt') === mountNamespace)!;
    const enter = [
      'nsenter',
      `--mount=/proc/${pid}/ns/mnt`,
      `--pid=/proc/${pid}/ns/pid`,
      ...before,
      'chroot',
      this.root,
    ];
    const script = 'echo 0 >"$0/cgroup.procs"; exec "$@"';
    const { error, status, stderr, stdout } = spawnSync(
      'sh',
      ['-c', script, CGROUPS + this.cgroup, ...enter, ...words],
      { encoding: 'utf8', timeout: 60_000 },
    );
    assert(!error && status === 0, `${words.join(' ')}: ${error?.message ?? `status ${status} ${stderr}`}`);
    return stdout.trim();
  }

  answer() {
    return reader.answer({ path: this.cgroup, directory: CGROUPS + this.cgroup, files: ['/bin/client'] });
  }
}

const web = new Container('web', 'a');
const db = new Container('db', 'b');

/** Puts a policy in force; of the containers in `known` it is found out what its paths mean. */
function putInForce(rules: string, ...known: Container[]): void {
  const { policy } = parsePolicy(`version: 2\nnetwork: { mode: block, ${rules} }`, 'test');
  assert(policy);
  const placeOf = ({ cgroup, name }: Container) => ({ path: cgroup, container: name, image: 'app:1' });
  const containers = known.map((container) => {
    const { files, mountNamespace } = container.answer()!;
    const found = [...files].map(([path, { now }]) => [path, now ? [now] : []] as const);
    return { place: placeOf(container), mountNamespace, files: new Map(found) };
  });
  const compiled = compilePolicy(policy, (path) => identifyExecutable(path), containers);
  const cgroups = [web, db].map((container) => ({
    id: statSync(CGROUPS + container.cgroup, { bigint: true }).ino,
    boxes: compiled.subjects.cgroup(placeOf(container)),
  }));
  applyPolicy(egress, compiled, { mode: 'block', target: 'host', record: true, cgroups });
}

const ALLOW = 'allow: [{ from: { container: [web], exe: [/bin/client] } }]';
const DENY = 'deny: [{ from: { container: [web], exe: [/bin/client] } }], allow: [{}]';

before(async () => {
  chmodSync(folder, 0o755);
  await web.start();
  await db.start();
  egress = Egress.load();
});

after(async () => {
  egress[Symbol.dispose]();
  reader.close();
  await web.stop();
  await db.stop();
});

test('the file that a rule names is allowed in its container, by any of its names', () => {
  putInForce(ALLOW, web, db);
  for (const path of ['/bin/client', '/bin/link', '/bin/hard'])
    assert.equal(web.told([path]), 'allowed', path);
  assert.equal(web.told(['/bin/client', 'fork']), 'allowed');
  assert.equal(web.told(['/bin/other']), 'denied');
  assert.equal(web.told(['/bin/other', 'start', '/bin/client']), 'allowed');
  assert.equal(web.told(['/bin/client', 'start', '/bin/other']), 'denied');
  assert.equal(web.told(['/bin/client', 'memfd', 'client']), 'denied');
});

test('neither the same path in another container nor the file itself on the host is that program', () => {
  assert.equal(db.told(['/bin/client']), 'denied');
  for (const file of [ATTEMPT, join(web.root, 'bin/client')]) {
    assert.equal(spawnSync(file, { encoding: 'utf8' }).stdout.trim(), 'denied', file);
  }
});

test('other mounts gain nothing, with another file in its place or with the file itself', () => {
  assert.equal(web.told(['/bin/client'], 'unshare', '--mount'), 'denied');
  const over = `mount --bind ${web.root}/bin/other ${web.root}/bin/client; exec "$@"`;
  assert.equal(web.told(['/bin/client'], 'unshare', '--mount', 'sh', '-c', over, 'sh'), 'denied');
});

test('until it is known what a path means, nothing is allowed by it, and everything denied', () => {
  putInForce(ALLOW);
  assert.equal(web.told(['/bin/client']), 'denied');
  putInForce(DENY);
  assert.equal(web.told(['/bin/other']), 'denied');
  assert.equal(db.told(['/bin/client']), 'allowed', 'no rule is for it');
  putInForce(DENY, web);
  assert.equal(web.told(['/bin/other']), 'allowed');
  assert.equal(web.told(['/bin/client']), 'denied');
  assert.equal(
    web.told(['/bin/other'], 'unshare', '--mount'),
    'denied',
    'it may be the other one for all we know',
  );
});

test('a rule for a file of the host allows no container, not even one that runs that file', () => {
  const file = join(web.root, 'bin/client');
  putInForce(`allow: [{ from: { exe: [${file}] } }]`, web);
  assert.equal(spawnSync(file, { encoding: 'utf8' }).stdout.trim(), 'allowed');
  assert.equal(web.told(['/bin/client']), 'denied');
});

test('a container that is made anew has other mounts, and is found again', async () => {
  const before = web.answer()!;
  await web.stop();
  assert.equal(web.answer(), undefined);
  await web.start();
  const now = web.answer()!;
  assert.ok(now.files.get('/bin/client')!.now, JSON.stringify(before.mountNamespace));
  putInForce(ALLOW, web);
  assert.equal(web.told(['/bin/client']), 'allowed');
  assert.equal(web.told(['/bin/other']), 'denied');
});
