import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { mountIdOf, O_PATH } from '../host/descriptor.ts';

/** A file as the kernel side knows it. */
export interface Executable {
  path: string;
  /** The file system's own number, major << 20 | minor: on btrfs and overlayfs not the one that stat() gives. */
  device: number;
  inode: bigint;
}

/**
 * Finds the device and inode of the file behind a path, without opening it for reading. `mounts` is the process whose
 * mount table is meant. Undefined when there is no such file or it can't be seen from here.
 */
export function identifyExecutable(path: string, mounts: number | 'self' = 'self'): Executable | undefined {
  let fd: number;
  try {
    fd = openSync(path, O_PATH);
  } catch {
    return undefined;
  }
  try {
    const stat = fstatSync(fd, { bigint: true });
    const device = deviceOfMount(fd, mounts);
    if (!stat.isFile() || device === undefined) return undefined;
    return { path, device, inode: stat.ino };
  } finally {
    closeSync(fd);
  }
}

/** The super block's number, which only the mount table shows (proc(5): mountinfo, field 3). */
function deviceOfMount(fd: number, mounts: number | 'self'): number | undefined {
  try {
    return devicesOf(readFileSync(`/proc/${mounts}/mountinfo`, 'utf8')).get(mountIdOf(fd));
  } catch {
    return undefined;
  }
}

/** The devices of a mount table by the number of the mount. */
export function devicesOf(mountTable: string): Map<number, number> {
  const devices = new Map<number, number>();
  for (const line of mountTable.split('\n')) {
    const [id, , device] = line.split(' ');
    const [major, minor] = (device ?? '').split(':').map(Number);
    if (minor !== undefined) devices.set(Number(id), (major! << 20) | minor);
  }
  return devices;
}
