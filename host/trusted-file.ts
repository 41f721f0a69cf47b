import { closeSync, constants, fstatSync, openSync, readSync, writeFileSync, type Stats } from 'node:fs';
import { O_PATH, pathOf } from './descriptor.ts';
import { followPath, type Found } from './path-walk.ts';
import { systemError } from './system-error.ts';
import { faultOf, mendOf, standingOf, untrusted } from './trust.ts';

const PART = 1 << 16;

/**
 * A file that root and the caller alone can have written, open for reading: what was checked is what is read.
 * So is a descriptor that this process was started with (/dev/stdin), which may be a pipe.
 */
export class TrustedFile {
  readonly fd: number;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /**
   * Throws BouhekiError `untrusted`, or what the system says: no file, no permission, or not a regular file.
   */
  static open(path: string): TrustedFile {
    const found = followPath(path);
    try {
      if (found.entry === undefined) throw systemError('ENOENT', `no such file or directory, open '${path}'`);
      if (!found.given) assertTrustedEntry(path, found);
      return new TrustedFile(openSync(pathOf(found.entry.fd), constants.O_RDONLY));
    } finally {
      closeFound(found);
    }
  }

  /** Whether its owner alone may read it. */
  get isPrivate(): boolean {
    return (fstatSync(this.fd).mode & 0o077) === 0;
  }

  /** All of it. Throws when that is more than `most` bytes. */
  read(most: number): Buffer {
    return readWhole(this.fd, most);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

/**
 * Adds to a file that root and the caller alone can have written, or makes it, for its owner alone. Throws as
 * `TrustedFile.open`.
 */
export function appendTrusted(path: string, text: string): void {
  const found = followPath(path);
  try {
    const fd = found.entry ? openToAppend(path, found) : createIn(found);
    try {
      writeFileSync(fd, text);
    } finally {
      closeSync(fd);
    }
  } finally {
    closeFound(found);
  }
}

function openToAppend(path: string, found: Found): number {
  if (!found.given) assertTrustedEntry(path, found);
  return openSync(pathOf(found.entry!.fd), constants.O_WRONLY | constants.O_APPEND);
}

/** A file that another user puts there meanwhile is not followed, nor taken for ours. */
function createIn({ directory, names }: Found): number {
  const [name, ...below] = names;
  if (name === undefined || below.length > 0)
    throw systemError('ENOENT', `there is no ${directory.path}/${name}`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  return openSync(`${pathOf(directory.fd)}/${name}`, flags, 0o600);
}

/**
 * Reads a file that any user may have written, for commands that only look at it: a regular one, so that no
 * pipe is waited for and no device started. Throws what the system says.
 */
export function readAnyFile(path: string, most: number): Buffer {
  const place = openSync(path, O_PATH);
  try {
    assertRegular(path, fstatSync(place));
    const fd = openSync(pathOf(place), constants.O_RDONLY);
    try {
      return readWhole(fd, most);
    } finally {
      closeSync(fd);
    }
  } finally {
    closeSync(place);
  }
}

/** Throws unless what was found is a regular file that others can neither have written nor put there. */
export function assertTrustedEntry(path: string, { directory, entry, names }: Found): void {
  const { stats } = entry!;
  assertRegular(path, stats);
  const place = `${directory.path === '/' ? '' : directory.path}/${names[0]}`;
  const fault = faultOf(stats);
  if (fault !== undefined) throw untrusted(path, place, fault, mendOf(stats, place));
  // Others may have given a file of ours a second name, where the kernel does not keep them from it.
  if (standingOf(directory.stats) !== 'closed' && stats.nlink > 1) {
    throw untrusted(path, place, 'is a hard link in a directory that others can write');
  }
}

/** Gives the descriptors back. */
export function closeFound({ directory, entry }: Found): void {
  closeSync(directory.fd);
  if (entry !== undefined) closeSync(entry.fd);
}

function assertRegular(path: string, stats: Stats): void {
  if (stats.isFile()) return;
  throw new Error(stats.isDirectory() ? `${path} is a directory` : `${path} is not a regular file`);
}

/** A pipe has no size beforehand, and an endless one must not take all memory. */
export function readWhole(fd: number, most: number): Buffer {
  const parts: Buffer[] = [];
  for (let left = most; ;) {
    const part = Buffer.allocUnsafe(Math.min(left + 1, PART));
    const length = readSync(fd, part);
    if (length === 0) return Buffer.concat(parts);
    if (length > left) throw new Error(`it is larger than ${most / 1024 / 1024} MiB`);
    left -= length;
    parts.push(part.subarray(0, length));
  }
}
