import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupRoot } from '../../host/cgroup-root.ts';

/** A UDP socket that waits at a port of this host. */
export interface BoundSocket {
  /** As /proc/net has it: words of 32 bits in the processor's order, in hexadecimal. */
  address: string;
  inode: string;
  /** Who opened it. */
  uid: number;
}

/** Where no peer is: such a socket takes whatever comes. */
const NO_PEER = /^0+:0000$/;

/** The UDP sockets without a peer at a port, in this network namespace. */
export function socketsAt(port: number): BoundSocket[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return ['/proc/net/udp', '/proc/net/udp6'].flatMap((file) => {
    const [, ...lines] = linesOf(file);
    return lines.flatMap((line) => {
      const [, local, remote, , , , , uid, , inode] = line.trim().split(/\s+/);
      const [address, own] = local?.split(':') ?? [];
      if (own !== wanted || !NO_PEER.test(remote ?? '') || !address || !inode) return [];
      return [{ address, inode, uid: Number(uid) }];
    });
  });
}

/** A process that has a socket open. */
export interface SocketHolder {
  /** Id of its cgroup. */
  cgroup: bigint;
  /** The effective one. */
  processUid: number;
}

/** Of each of these sockets a process that has it open, by inode. */
export function holdersOfSockets(inodes: ReadonlySet<string>): Map<string, SocketHolder> {
  const found = new Map<string, SocketHolder>();
  for (const pid of readdirSync('/proc')) {
    if (found.size === inodes.size) break;
    if (!/^\d+$/.test(pid)) continue;
    for (const inode of socketsOf(pid)) {
      if (!inodes.has(inode) || found.has(inode)) continue;
      const holder = holderOf(pid);
      if (holder !== undefined) found.set(inode, holder);
    }
  }
  return found;
}

/** Inodes of the sockets that a process has open. Empty when it is gone. */
function socketsOf(pid: string): string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(join(folder, fd)))?.[1] ?? [];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

/** Undefined when the process or its cgroup is gone. */
function holderOf(pid: string): SocketHolder | undefined {
  const path = linesOf(`/proc/${pid}/cgroup`).flatMap((line) => /^0::(.*)$/.exec(line)?.[1] ?? [])[0];
  if (path === undefined) return undefined;
  try {
    const cgroup = statSync(join(cgroupRoot(), path), { bigint: true }).ino;
    return { cgroup, processUid: statSync(`/proc/${pid}`).uid };
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
