import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { namespaceOf } from '../../host/namespace.ts';
import type { ContainerReader } from '../../enforcer/container/container-reader.ts';
import { mountOverlay, run } from './collision.ts';

export const CGROUPS = '/sys/fs/cgroup';
/** The program of test/kernel/identity. */
export const ATTEMPT = join(import.meta.dirname, 'identity/attempt');

interface Making {
  /** Where its root directory lies. */
  folder: string;
  reader: ContainerReader;
  /** Whether its root is that of its mount namespace, as with most runtimes, or a directory of it. */
  pivot?: boolean;
  /** Whether its files are the lower layer of an overlay, with another file system above them. */
  overlay?: boolean;
}

/** A container as a runtime makes one: a cgroup with a name, mounts, processes and a root of its own. */
export class Container {
  readonly name: string;
  readonly cgroup: string;
  readonly root: string;
  readonly #reader: ContainerReader;
  readonly #pivot: boolean;
  first: ChildProcess | undefined;

  constructor(name: string, digit: string, { folder, overlay = false, pivot = false, reader }: Making) {
    this.name = name;
    this.#reader = reader;
    this.#pivot = pivot;
    this.cgroup = `/machine.slice/libpod-${digit.repeat(64)}`;
    this.root = join(folder, name);
    mkdirSync(CGROUPS + this.cgroup, { recursive: true });
    for (const directory of ['bin', 'proc', 'tmp', 'old', 'own'])
      mkdirSync(join(this.root, directory), { recursive: true });
    for (const program of ['client', 'other']) copyFileSync(ATTEMPT, join(this.root, 'bin', program));
    const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
    copyFileSync(busybox!, join(this.root, 'bin/busybox'));
    for (const applet of ['sh', 'mount', 'umount', 'cp', 'sleep', 'echo'])
      symlinkSync('busybox', join(this.root, 'bin', applet));
    symlinkSync('/bin/client', join(this.root, 'bin/link'));
    linkSync(join(this.root, 'bin/client'), join(this.root, 'bin/hard'));
    for (const program of ['client', 'other'])
      linkSync(join(this.root, 'bin', program), join(this.root, 'own', program));
    if (!overlay) return;
    const upper = `${this.root}.upper`;
    mkdirSync(upper);
    run('mount', '-t', 'tmpfs', 'tmpfs', upper);
    mountOverlay(this.root, upper, this.root);
  }

  async start(): Promise<void> {
    const within = this.#pivot
      ? 'mount -t proc proc /proc; umount -l /old; echo ready; sleep 3600'
      : 'echo ready; sleep 3600';
    // What makes the root changes the caller's own too.
    const enter = this.#pivot ? 'cd $0; pivot_root . old; exec' : 'exec chroot $0';
    const script = `echo 0 >"$1/cgroup.procs"; exec unshare --mount --pid --fork sh -c '
      mount --bind $0 $0; ${enter} /bin/sh -c "${within}"' $0`;
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
    return this.#run([...this.#enter(), ...before, 'chroot', this.root, ...words]);
  }

  /** The same of one whose root is that of its mounts. */
  toldInside(words: readonly string[], { uid = 0 }: { uid?: number } = {}): string {
    return this.#run([...this.#enter(), `--setuid=${uid}`, `--setgid=${uid}`, ...words]);
  }

  #enter(): string[] {
    const { mountNamespace } = this.answer()!;
    const pids = readFileSync(`${CGROUPS}${this.cgroup}/cgroup.procs`, 'utf8').split('\n').map(Number);
    // What starts it has its mounts, but the pid namespace of the host.
    const pid = pids.find(
      (each) =>
        each > 0 &&
        namespaceOf(each, 'mnt') === mountNamespace &&
        namespaceOf(each, 'pid') !== namespaceOf('self', 'pid'),
    );
    return ['nsenter', `--mount=/proc/${pid}/ns/mnt`, `--pid=/proc/${pid}/ns/pid`];
  }

  #run(words: readonly string[]): string {
    const script = 'echo 0 >"$0/cgroup.procs"; exec "$@"';
    const { error, status, stderr, stdout } = spawnSync(
      'sh',
      ['-c', script, CGROUPS + this.cgroup, ...words],
      { encoding: 'utf8', timeout: 60_000 },
    );
    assert(!error && status === 0, `${words.join(' ')}: ${error?.message ?? `status ${status} ${stderr}`}`);
    return stdout.trim();
  }

  answer() {
    return this.#reader.answer({
      path: this.cgroup,
      directory: CGROUPS + this.cgroup,
      files: ['/bin/client'],
    });
  }
}
