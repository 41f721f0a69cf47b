import { readFileSync, readlinkSync } from 'node:fs';
import { namespaceOf } from '../../host/namespace.ts';
import { ELSEWHERE } from '../event/executable.ts';
import { CgroupReader } from './cgroup-reader.ts';
import { type Container, ContainerNames } from './container.ts';
import { scriptOfProcess } from './prime.ts';

/** A process as /proc shows it now. The kernel has remembered its program since exec, and may know better. */
export interface RunningProcess {
  pid: number;
  command: string;
  exe?: string;
  script?: string;
  uid: number;
  euid: number;
  fsuid: number;
  gid: number;
  egid: number;
  fsgid: number;
  groups: number[];
  inContainer: boolean;
  container?: string;
  image?: string;
  unit?: string;
  cgroup?: string;
}

/** Reads what processes are, with the names of their containers. */
export class RunningProcesses {
  readonly #cgroups = new CgroupReader();
  readonly #names = new ContainerNames();
  readonly #mounts = namespaceOf('self', 'mnt');
  readonly #users = namespaceOf('self', 'user');

  /** Those of these processes that still run, by pid. Waits for runtimes to name containers, a moment at the most. */
  async read(pids: Iterable<number>): Promise<Map<number, RunningProcess>> {
    const found = [...new Set(pids)].flatMap((pid) => this.#find(pid) ?? []);
    await this.#names.settle();
    return new Map(
      found.map(({ process, container }) => {
        if (container?.known) process.container = container.name;
        if (container?.known && container.image !== '') process.image = container.image;
        return [process.pid, process];
      }),
    );
  }

  #find(pid: number): { process: RunningProcess; container: Container | undefined } | undefined {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const [uid, euid, , fsuid] = numbersOf(status, 'Uid') as [number, number, number, number];
      const [gid, egid, , fsgid] = numbersOf(status, 'Gid') as [number, number, number, number];
      const path = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
      const foreignMounts = namespaceOf(pid, 'mnt') !== this.#mounts;
      const inner = foreignMounts && numbersOf(status, 'NSpid').length > 1;
      const { container: place, unit } = path === undefined ? {} : this.#cgroups.read(path);
      // systemd gives virtual machines scopes of the same name as containers.
      const container = place && (inner || place.runtime !== 'nspawn') ? this.#names.find(place) : undefined;
      const inContainer = container !== undefined || inner;
      const exe = linkOf(`/proc/${pid}/exe`);
      const script = exe === undefined ? undefined : scriptOfProcess(pid, exe);
      const process: RunningProcess = {
        pid,
        command: readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd(),
        uid,
        euid,
        fsuid,
        gid,
        egid,
        fsgid,
        inContainer,
        groups: numbersOf(status, 'Groups'),
        ...(exe !== undefined && { exe: inContainer ? exe : this.#ofHost(pid, exe) }),
        ...(script !== undefined && { script }),
        ...(unit !== undefined && { unit }),
        ...(path !== undefined && { cgroup: path }),
      };
      return { process, container };
    } catch {
      return undefined;
    }
  }

  /** As text can say it: a path in another root, or where a user has the mounts, is none of the host. */
  #ofHost(pid: number, exe: string): string {
    const own = namespaceOf(pid, 'user') === this.#users && linkOf(`/proc/${pid}/root`) === '/';
    return own ? exe : ELSEWHERE + exe;
  }
}

/** The numbers behind a name in /proc/PID/status. */
function numbersOf(status: string, name: string): number[] {
  const [, text = ''] = new RegExp(`^${name}:(.*)$`, 'm').exec(status) ?? [];
  return (text.match(/\d+/g) ?? []).map(Number);
}

/** Undefined for a kernel thread, and where it can't be seen. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
