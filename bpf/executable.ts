import { FileObject as Layout } from './wire.ts';

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
