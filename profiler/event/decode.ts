import {
  Ancestor,
  ANCESTOR_PATH_SIZE,
  ANCESTORS,
  CgroupMade,
  COMM_SIZE,
  Connection,
  PATH_SIZE,
  Process,
  ProcessFlag,
} from '../../bpf/wire.ts';
import { DELETED } from './executable.ts';
import type { Credential } from './credential.ts';

/** The memory in which records lie; offsets are those that a ring gives. */
export interface Records {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** By words of 32 bits, in the byte order of the machine. */
  readonly words: Uint32Array;
}

/** Text up to its NUL. Bytes that are no UTF-8 become U+FFFD. */
export function textAt({ bytes }: Records, offset: number, size: number): string {
  const end = bytes.indexOf(0, offset);
  const stop = end < 0 || end > offset + size ? offset + size : end;
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, stop - offset).toString('utf8');
}

/** Names from the leaf to the root, NUL after each, as a path. The root of a hierarchy has an empty name. */
function pathAt({ bytes }: Records, offset: number, size: number): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + offset, size).toString('utf8');
  const names = text.slice(0, Math.max(0, text.search(/\0\0|\0*$/))).split('\0');
  return `/${names
    .reverse()
    .filter((name) => name !== '' && name !== '/')
    .join('/')}`;
}

/** A process that started another one, directly or not. */
export interface AncestorRecord {
  pid: number;
  /** Nanoseconds since boot; of one that was primed only to 10 ms. */
  started: bigint;
  command: string;
  /** Of its executable; empty when the kernel side does not know it. */
  path: string;
  /** What it ran was read from /proc. */
  primed: boolean;
}

/** A process record, its numbers as they came and its texts decoded. */
export interface ProcessRecord {
  key: bigint;
  flags: number;
  /** Nanoseconds since boot. */
  started: bigint;
  cgroup: bigint;
  device: number;
  inode: bigint;
  pid: number;
  parentPid: number;
  mountNamespace: number;
  pidNamespace: number;
  networkNamespace: number;
  command: string;
  parentCommand: string;
  nodename: string;
  /** Empty when the kernel could not tell. */
  path: string;
  /**
   * Absolute path of the script that the executable interprets; empty when there is none or it is not known.
   */
  script: string;
  arguments: string;
  cgroupPath: string;
  /** The nearest first, as many as are known. */
  ancestors: AncestorRecord[];
}

export function decodeProcess(records: Records, at: number): ProcessRecord {
  const { view } = records;
  const { offset } = Process;
  const flags = view.getUint32(at + offset.flags, true);
  const path = at + offset.path;
  return {
    key: view.getBigUint64(at + offset.key, true),
    flags,
    started: view.getBigUint64(at + offset.started, true),
    cgroup: view.getBigUint64(at + offset.cgroup, true),
    device: view.getUint32(at + offset.device, true),
    inode: view.getBigUint64(at + offset.inode, true),
    pid: view.getUint32(at + offset.pid, true),
    parentPid: view.getUint32(at + offset.parent_pid, true),
    mountNamespace: view.getUint32(at + offset.mount_namespace, true),
    pidNamespace: view.getUint32(at + offset.pid_namespace, true),
    networkNamespace: view.getUint32(at + offset.network_namespace, true),
    command: textAt(records, at + offset.comm, COMM_SIZE),
    parentCommand: textAt(records, at + offset.parent_comm, COMM_SIZE),
    nodename: textAt(records, at + offset.nodename, 64),
    path: programAt(records, path, flags),
    script: flags & ProcessFlag.script ? textAt(records, at + offset.script, PATH_SIZE) : '',
    arguments: argumentsAt(records, at + offset.arguments),
    cgroupPath: pathAt(records, at + offset.cgroup_path, 512),
    ancestors: ancestorsAt(records, at + offset.ancestors),
  };
}

function executableAt(records: Records, offset: number, size: number, flags: number): string {
  return flags & ProcessFlag.pathNames ? pathAt(records, offset, size) : textAt(records, offset, size);
}

/** Empty where it is not known in full. Names have no mark of what is deleted, as the kernel's own paths have. */
function programAt(records: Records, offset: number, flags: number): string {
  if (flags & ProcessFlag.pathTruncated) return '';
  const path = executableAt(records, offset, PATH_SIZE, flags);
  const unmarked = ProcessFlag.deleted | ProcessFlag.pathNames;
  return (flags & unmarked) === unmarked ? `${path}${DELETED}` : path;
}

function ancestorsAt(records: Records, start: number): AncestorRecord[] {
  const { view } = records;
  const { offset, size } = Ancestor;
  const found: AncestorRecord[] = [];
  for (let index = 0; index < ANCESTORS; index += 1) {
    const at = start + index * size;
    const pid = view.getUint32(at + offset.pid, true);
    if (pid === 0) break;
    const flags = view.getUint32(at + offset.flags, true);
    found.push({
      pid,
      started: view.getBigUint64(at + offset.started, true),
      command: textAt(records, at + offset.comm, COMM_SIZE),
      path: executableAt(records, at + offset.path, ANCESTOR_PATH_SIZE, flags),
      primed: (flags & ProcessFlag.primed) !== 0,
    });
  }
  return found;
}

function argumentsAt({ bytes }: Records, offset: number): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + offset, 256).toString('utf8');
  return text.replace(/\0+$/, '').replaceAll('\0', ' ');
}

/** Id and path of a cgroup that was made. */
export function decodeCgroup(records: Records, at: number): { id: bigint; path: string } {
  return {
    id: records.view.getBigUint64(at + CgroupMade.offset.cgroup, true),
    path: pathAt(records, at + CgroupMade.offset.cgroup_path, 512),
  };
}

/** The ids of a connection record. */
export function decodeCredential({ view }: Records, at: number): Credential {
  const id = (offset: number): number => view.getUint32(at + offset, true);
  const { uid, euid, fsuid, gid, egid, fsgid } = Connection.offset;
  return {
    uid: id(uid),
    euid: id(euid),
    fsuid: id(fsuid),
    gid: id(gid),
    egid: id(egid),
    fsgid: id(fsgid),
  };
}

/** The destination's number: 32 bits for IPv4, 128 for IPv6. */
export function decodeAddress({ view }: Records, at: number): { family: 4 | 6; value: bigint } {
  const address = at + Connection.offset.address;
  if (view.getUint8(at + Connection.offset.family) === 4) {
    return { family: 4, value: BigInt(view.getUint32(address)) };
  }
  return { family: 6, value: (view.getBigUint64(address) << 64n) | view.getBigUint64(address + 8) };
}
