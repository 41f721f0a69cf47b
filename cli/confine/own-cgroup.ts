import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BouhekiError } from '../../error/error.ts';

/** How long what is left may take to end after SIGTERM, and after SIGKILL, milliseconds. */
const PATIENCE = 2000;
/** How often is looked meanwhile, milliseconds. */
const LOOK = 20;

/** A cgroup of version 2 for one command and all that it starts, which no process without rights can leave. */
export class OwnCgroup {
  readonly directory: string;
  /** Where this process is otherwise. */
  readonly #home: string;

  private constructor(directory: string, home: string) {
    this.directory = directory;
    this.#home = home;
  }

  /**
   * Below the cgroup of this process, so that its limits and its unit hold here too; but above what is delegated to
   * users: they could move processes between cgroups there. `root`: where the hierarchy is mounted. Throws BouhekiError
   * `kernel` where no cgroup can be made. Source: Documentation/admin-guide/cgroup-v2.rst of Linux, "Delegation
   * Containment".
   */
  static make(root: string, name: string): OwnCgroup {
    const path = /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
    const directory = join(undelegated(root, path), name);
    try {
      mkdirSync(directory);
    } catch (error) {
      throw new BouhekiError('kernel', `cannot make the cgroup ${directory}`, {
        remedy: 'Run this where cgroups of version 2 are mounted and may be made, as root of the host can.',
        detail: (error as Error).message,
        cause: error,
      });
    }
    return new OwnCgroup(directory, join(root, path));
  }

  /** Does `work` inside: what it forks before it returns is born there. It must not wait. */
  within<T>(work: () => T): T {
    moveTo(this.directory);
    try {
      return work();
    } finally {
      moveTo(this.#home);
    }
  }

  /** Ends all processes that are left, gently at first. Returns how many there were. */
  async empty(): Promise<number> {
    const left = this.#processes();
    if (left.length === 0) return 0;
    for (const pid of left) signal(pid, 'SIGTERM');
    await this.#emptied();
    for (const deadline = performance.now() + PATIENCE; performance.now() < deadline; await sleep(LOOK)) {
      const stubborn = this.#processes();
      if (stubborn.length === 0) break;
      for (const pid of stubborn) signal(pid, 'SIGKILL');
    }
    return left.length;
  }

  /** Takes it away again, as soon as the kernel lets go of the last process. */
  async remove(): Promise<void> {
    for (const deadline = performance.now() + PATIENCE; ; await sleep(LOOK)) {
      try {
        for (const below of this.#below()) rmdirSync(below);
        return;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT') return;
        if (performance.now() > deadline) throw error;
      }
    }
  }

  async #emptied(): Promise<void> {
    const deadline = performance.now() + PATIENCE;
    while (this.#processes().length > 0 && performance.now() < deadline) await sleep(LOOK);
  }

  /** It and what was made below it, the lowest first. */
  #below(): string[] {
    return cgroupsBelow(this.directory).toReversed();
  }

  #processes(): number[] {
    return cgroupsBelow(this.directory).flatMap((directory) => processesIn(directory));
  }
}

/** The lowest cgroup on a path of which nobody but root may move processes, nor of one above it. */
function undelegated(root: string, path: string): string {
  let found = root;
  for (const step of path.split('/').filter(Boolean)) {
    const next = join(found, step);
    if (statSync(join(next, 'cgroup.procs')).uid !== 0) break;
    found = next;
  }
  return found;
}

/** A cgroup and those below it, each above its own. One that ends meanwhile is left out. */
function cgroupsBelow(directory: string): string[] {
  try {
    const inside = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [directory, ...inside.flatMap(({ name }) => cgroupsBelow(join(directory, name)))];
  } catch {
    return [];
  }
}

/** Those that have a number here: 0 stands for one of another PID namespace. */
function processesIn(directory: string): number[] {
  try {
    return readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n').map(Number).filter(Boolean);
  } catch {
    return [];
  }
}

function moveTo(directory: string): void {
  writeFileSync(join(directory, 'cgroup.procs'), String(process.pid));
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}
