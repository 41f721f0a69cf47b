import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

// Some of these tests block what the whole machine sends.
if (hostname() !== 'bouheki-vm') throw new Error('only inside test/vm/run: npm run test:e2e');

export const ROOT = join(import.meta.dirname, '../../..');

/** The user that stands for everybody who is not root. */
export const USER = 1000;

/** How a command ended; `status` is null where a signal ended it. */
export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end. */
export function run(...command: string[]): Ended {
  return runWithin(120_000, ...command);
}

/** The same for what may take so many milliseconds: it starts bouheki several times. */
export function runWithin(timeout: number, ...command: string[]): Ended {
  const { status, stdout, stderr, error } = spawnSync(command[0]!, command.slice(1), {
    cwd: ROOT,
    encoding: 'utf8',
    timeout,
  });
  if (error) throw error;
  return { status, stdout, stderr };
}

/** The same, where the command worked; an error that shows what it printed otherwise. */
export function succeeded(ended: Ended): Ended {
  if (ended.status === 0) return ended;
  throw new Error(`ended with ${ended.status}\n${ended.stdout}${ended.stderr}`);
}

export function asUser(uid: number, ...command: string[]): Ended {
  return run('setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', ...command);
}

/** Runs a command in a cgroup: the directory of one that exists. */
export function inCgroup(directory: string, ...command: string[]): Ended {
  return run('sh', '-c', 'echo 0 >"$0/cgroup.procs" && exec "$@"', directory, ...command);
}

/** A server behind every address there is: HTTP on TCP 80, 443 and 8080, UDP 514 that answers nothing. */
export function startNetwork(): void {
  succeeded(run('test/vm/network', 'start', '--tcp', '80', '443', '8080', '--udp-sink', '514'));
}

export function stopNetwork(): void {
  succeeded(run('test/vm/network', 'stop'));
}

export const IMAGE = 'e2e';

/** Makes the image that `inContainer` runs: busybox and curl. Test files of one run share it. */
export function makeImage(): void {
  if (run('podman', 'image', 'exists', IMAGE).status !== 0)
    succeeded(run('test/vm/container-image', IMAGE, 'curl'));
}

/** Runs a command in a new container on the host's network. */
export function inContainer(name: string, ...command: string[]): Ended {
  const options = ['--rm', '--network', 'host', '--name', name, '--hostname', `${name}-host`];
  return run('podman', 'run', ...options, IMAGE, ...command);
}

/** The directory of a cgroup, which is made where there is none. */
export function cgroup(path: string): string {
  const directory = `/sys/fs/cgroup${path}`;
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** A new folder of the guest's own /tmp. */
export function folder(): string {
  return mkdtempSync('/tmp/e2e-');
}

/** As bpftool names what bouheki has; container runtimes have others. */
const PROGRAM_TYPES = new Set([
  'lsm',
  'tracing',
  'cgroup_skb',
  'cgroup_sock',
  'cgroup_sock_addr',
  'cgroup_sockopt',
]);

/** The names of the programs in the kernel of these kinds, whoever loaded them. */
export function loadedPrograms(): string[] {
  const programs = JSON.parse(succeeded(run('bpftool', '--json', 'prog', 'list')).stdout) as {
    type: string;
    name: string;
  }[];
  return programs.filter(({ type }) => PROGRAM_TYPES.has(type)).map(({ name }) => name);
}

/** How long the kernel may take to free the programs of a process that has ended, milliseconds. */
const FREEING = 30_000;

/** The names of those that are there still, when the kernel has had time to free what was detached. */
export function programsLeft(): string[] {
  const deadline = Date.now() + FREEING;
  for (;;) {
    const names = loadedPrograms();
    if (names.length === 0 || Date.now() > deadline) return names;
  }
}
