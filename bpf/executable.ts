import {
  Ancestor,
  ANCESTOR_PATH_SIZE,
  COMM_SIZE,
  FileObject as Layout,
  Identity,
  Lineage,
  PATH_SIZE,
  ProcessFlag,
} from './wire.ts';

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

export function readFileObject(bytes: DataView, at: number): FileObject {
  const { offset } = Layout;
  return {
    object: bytes.getBigUint64(at + offset.object, true),
    inode: bytes.getBigUint64(at + offset.inode, true),
    device: bytes.getUint32(at + offset.device, true),
    generation: bytes.getUint32(at + offset.generation, true),
  };
}

export function writeFileObject(bytes: DataView, at: number, file: FileObject): void {
  const { offset } = Layout;
  bytes.setBigUint64(at + offset.object, file.object, true);
  bytes.setBigUint64(at + offset.inode, file.inode, true);
  bytes.setUint32(at + offset.device, file.device, true);
  bytes.setUint32(at + offset.generation, file.generation, true);
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
export function imageBytes(running: RunningImage): Buffer {
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
