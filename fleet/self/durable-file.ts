import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Writes a file for its owner alone that is there whole or not at all, also after the power was cut. Throws what the
 * system says; what was there before stays then. Nothing that lies under a name beside it is opened: what an interruption
 * has left there is removed, and what others put there meanwhile makes this fail.
 */
export function writeDurable(path: string, bytes: Buffer | string): void {
  const made = `${path}.new`;
  rmSync(made, { force: true });
  const fd = openSync(made, NEW, 0o600);
  try {
    try {
      fchmodSync(fd, 0o600);
      giveToOwner(fd, dirname(path));
      writeFileSync(fd, bytes);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(made, path);
  } catch (error) {
    rmSync(made, { force: true });
    throw error;
  }
  syncDirectory(dirname(path));
}

/** What root writes into the directory of another user, such as that of a service, is for that user to read. */
function giveToOwner(fd: number, directory: string): void {
  if (process.geteuid?.() !== 0) return;
  const { gid, uid } = statSync(directory);
  if (uid !== 0) fchownSync(fd, uid, gid);
}

/** What was renamed in a directory stays so after the power was cut. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Undefined where there is no such file. Throws what the system says otherwise. */
export function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
