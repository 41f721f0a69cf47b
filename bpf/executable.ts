import { closeSync, fstatSync, openSync } from 'node:fs';
import { O_PATH } from '../host/descriptor.ts';
import { scriptBytes } from './interpreter.ts';
import { libbpf } from './libbpf.ts';
import type { BpfMap } from './map.ts';
import {
  Ancestor,
  ANCESTOR_PATH_SIZE,
  COMM_SIZE,
  FileObject as Layout,
  Identity,
  Lineage,
  OpenFile as OpenFileLayout,
  PATH_SIZE,
  ProcessFlag,
  RunningProgram as RunningProgramLayout,
} from './wire.ts';

const SYS_PIDFD_OPEN = 434;

/** A file as the kernel side knows it: struct file_object of wire.h. */
export interface FileObject {
  /** No other file has it while this one is open; an address of the kernel's, so never to be printed. */
  object: bigint;
  inode: bigint;
  /**
   * The file system's own number, major << 20 | minor: on btrfs and overlayfs not the one that stat() gives.
   */
  device: number;
  generation: number;
}

function readFileObject(bytes: DataView, at: number): FileObject {
  const { offset } = Layout;
  return {
    object: bytes.getBigUint64(at + offset.object, true),
    inode: bytes.getBigUint64(at + offset.inode, true),
    device: bytes.getUint32(at + offset.device, true),
    generation: bytes.getUint32(at + offset.generation, true),
  };
}

function writeFileObject(bytes: DataView, at: number, file: FileObject): void {
  const { offset } = Layout;
  bytes.setBigUint64(at + offset.object, file.object, true);
  bytes.setBigUint64(at + offset.inode, file.inode, true);
  bytes.setUint32(at + offset.device, file.device, true);
  bytes.setUint32(at + offset.generation, file.generation, true);
}

/** A file that this process or a child of it holds open. */
export interface OpenFile extends FileObject {
  fd: number;
  /** Of this process itself. */
  own: boolean;
}

/** The file that a path means, among those that `openFiles` says this process has open. */
export function findFile(path: string, openFiles: () => OpenFile[]): FileObject | undefined {
  let fd: number;
  try {
    fd = openSync(path, O_PATH);
  } catch {
    return undefined;
  }
  try {
    if (!fstatSync(fd).isFile()) return undefined;
    return openFiles().find((file) => file.own && file.fd === fd);
  } finally {
    closeSync(fd);
  }
}

/** What a process runs, as the kernel has it now. */
export interface RunningProgram {
  pid: number;
  /** Nanoseconds since boot. */
  started: bigint;
  file: FileObject;
  /** ProcessFlag: what is foreign about it. */
  flags: number;
}

/** What a process runs that is older than us. */
export interface RunningImage {
  file: FileObject;
  path: string;
  /** By its number. */
  mountNamespace: number;
  /** ProcessFlag; `primed` goes without saying. */
  flags: number;
  script?: string | undefined;
  /** The nearest first, `ANCESTORS` of them at the most. */
  ancestors: readonly { pid: number; started: bigint; command: string; path: string }[];
}

/** The same as the kernel side keeps it: struct image of wire.h. */
function imageBytes(running: RunningImage): Buffer {
  return Buffer.concat([identityBytes(running), lineageBytes(running.ancestors)]);
}

function identityBytes({ file, flags, mountNamespace, path }: RunningImage): Buffer {
  const identity = Buffer.alloc(Identity.size);
  const { offset } = Identity;
  const length = Buffer.byteLength(path) + 1;
  writeFileObject(new DataView(identity.buffer, identity.byteOffset, identity.length), offset.file, file);
  identity.writeUInt32LE(flags | ProcessFlag.primed, offset.flags);
  identity.writeUInt32LE(length > PATH_SIZE ? 0 : length, offset.path_length);
  identity.writeUInt32LE(mountNamespace, offset.mount_namespace);
  identity.write(path, offset.path, PATH_SIZE - 1, 'utf8');
  return identity;
}

function lineageBytes(ancestors: RunningImage['ancestors']): Buffer {
  const lineage = Buffer.alloc(Lineage.size);
  const { offset, size } = Ancestor;
  for (const [index, { command, path, pid, started }] of ancestors.entries()) {
    const at = Lineage.offset.ancestors + index * size;
    lineage.writeBigUInt64LE(started, at + offset.started);
    lineage.writeUInt32LE(pid, at + offset.pid);
    lineage.writeUInt32LE(ProcessFlag.primed, at + offset.flags);
    lineage.write(command, at + offset.comm, COMM_SIZE - 1, 'utf8');
    if (Buffer.byteLength(path) < ANCESTOR_PATH_SIZE) lineage.write(path, at + offset.path, 'utf8');
  }
  return lineage;
}

/** Of the records that the iterator over open files writes. */
export function readOpenFiles(records: Buffer): OpenFile[] {
  const { offset, size } = OpenFileLayout;
  return recordsOf(records, size, (bytes, at) => ({
    ...readFileObject(bytes, at + offset.file),
    fd: bytes.getUint32(at + offset.fd, true),
    own: bytes.getUint32(at + offset.own, true) === 1,
  }));
}

/** Of the records that the iterator over running programs writes. */
export function readRunningPrograms(records: Buffer): RunningProgram[] {
  const { offset, size } = RunningProgramLayout;
  return recordsOf(records, size, (bytes, at) => ({
    pid: bytes.getUint32(at + offset.pid, true),
    started: bytes.getBigUint64(at + offset.started, true),
    file: readFileObject(bytes, at + offset.file),
    flags: bytes.getUint32(at + offset.flags, true),
  }));
}

function recordsOf<T>(bytes: Buffer, size: number, read: (bytes: DataView, at: number) => T): T[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, index) => read(view, index * size));
}

/**
 * Puts what a process runs into the storage of its task, unless it is there already. Returns false when the process is
 * gone.
 */
export function addImage(
  pid: number,
  running: RunningImage,
  { identities, scripts }: { identities: BpfMap; scripts: BpfMap },
): boolean {
  const { script } = running;
  const pidfd = libbpf().syscall(SYS_PIDFD_OPEN, pid, 0, 0);
  if (pidfd < 0) return false;
  const image = imageBytes(running);
  const key = Buffer.alloc(4);
  key.writeInt32LE(Number(pidfd));
  try {
    // Before the identity, which says that it is there.
    if (script !== undefined) scripts.add(key, scriptBytes(script));
    identities.add(key, image);
  } finally {
    libbpf().close(Number(pidfd));
  }
  return true;
}
