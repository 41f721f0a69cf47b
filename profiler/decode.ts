import { CgroupMade, Connection, Process, COMM_SIZE, PATH_SIZE, ProcessFlag } from '../bpf/wire.ts';

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
  /** Absolute path of the script that the executable interprets; empty when there is none or it is not known. */
  script: string;
  arguments: string;
  cgroupPath: string;
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
    path: flags & ProcessFlag.pathNames ? pathAt(records, path, PATH_SIZE) : textAt(records, path, PATH_SIZE),
    script: flags & ProcessFlag.script ? textAt(records, at + offset.script, PATH_SIZE) : '',
    arguments: argumentsAt(records, at + offset.arguments),
    cgroupPath: pathAt(records, at + offset.cgroup_path, 512),
  };
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

/** The destination's number: 32 bits for IPv4, 128 for IPv6. */
export function decodeAddress({ view }: Records, at: number): { family: 4 | 6; value: bigint } {
  const address = at + Connection.offset.address;
  if (view.getUint8(at + Connection.offset.family) === 4) {
    return { family: 4, value: BigInt(view.getUint32(address)) };
  }
  return { family: 6, value: (view.getBigUint64(address) << 64n) | view.getBigUint64(address + 8) };
}
