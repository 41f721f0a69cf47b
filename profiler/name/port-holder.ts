import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { processes, socketsOf } from '../../host/open/socket-holder.ts';
import type { Address } from '../../policy/value/address.ts';

/** A UDP socket that waits at a port of this host. */
export interface BoundSocket {
  /** As /proc/net has it: words of 32 bits in the processor's order, in hexadecimal. */
  address: string;
  /** In hexadecimal. */
  port: string;
  inode: string;
  /** Who opened it. */
  uid: number;
}

/** Where no peer is: such a socket takes whatever comes. */
const NO_PEER = /^0+:0000$/;

/** The UDP sockets without a peer at a port, in this network namespace. */
export function socketsAt(port: number): BoundSocket[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return boundSockets('self').filter((each) => each.port === wanted);
}

/** The UDP sockets without a peer in the network namespace of a process. */
export function boundSockets(pid: number | 'self'): BoundSocket[] {
  return ['udp', 'udp6'].flatMap((file) => {
    const [, ...lines] = linesOf(`/proc/${pid}/net/${file}`);
    return lines.flatMap((line) => {
      const [, local, remote, , , , , uid, , inode] = line.trim().split(/\s+/);
      const [address, port] = local?.split(':') ?? [];
      if (!NO_PEER.test(remote ?? '') || !address || !port || !inode) return [];
      return [{ address, port, inode, uid: Number(uid) }];
    });
  });
}

const MAPPED = 0xffff_0000_0000n;

/** An address as /proc/net/udp and udp6 write it. */
export function exactly({ family, value }: Address): string[] {
  return family === 4 ? [words(value, 1), words(MAPPED | value, 4)] : [words(value, 4)];
}

/** Any address of a family. */
export function everywhere({ family }: Address): string[] {
  return family === 4 ? [words(0n, 1), words(0n, 4)] : [words(0n, 4)];
}

/** Words of 32 bits whose bytes lie in memory in network order, each read as a little-endian number. */
function words(value: bigint, count: number): string {
  const bytes = Buffer.from(value.toString(16).padStart(8 * count, '0'), 'hex');
  return bytes.swap32().toString('hex').toUpperCase();
}

/** A process that has a socket open. */
export interface SocketHolder {
  pid: string;
  /** Id of its cgroup. */
  cgroup: bigint;
  /** The effective one. */
  processUid: number;
}

/**
 * Of each of these sockets a process that has it open, by inode. `pids`: who may be one; without it all processes, which
 * takes a look at everything that they have open.
 */
export function holdersOfSockets(
  inodes: ReadonlySet<string>,
  pids: readonly string[] = processes(),
): Map<string, SocketHolder> {
  const found = new Map<string, SocketHolder>();
  for (const pid of pids) {
    if (found.size === inodes.size) break;
    for (const inode of socketsOf(pid)) {
      if (!inodes.has(inode) || found.has(inode)) continue;
      const holder = holderOf(pid);
      if (holder !== undefined) found.set(inode, holder);
    }
  }
  return found;
}

/** Undefined when the process or its cgroup is gone. */
function holderOf(pid: string): SocketHolder | undefined {
  const path = linesOf(`/proc/${pid}/cgroup`).flatMap((line) => /^0::(.*)$/.exec(line)?.[1] ?? [])[0];
  if (path === undefined) return undefined;
  try {
    const cgroup = statSync(join(cgroupRoot(), path), { bigint: true }).ino;
    return { pid, cgroup, processUid: statSync(`/proc/${pid}`).uid };
  } catch {
    return undefined;
  }
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    return [];
  }
}
