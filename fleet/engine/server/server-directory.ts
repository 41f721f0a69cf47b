import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
} from 'node:fs';
import { BouhekiError } from '../../../error/error.ts';
import { pathOf } from '../../../host/descriptor.ts';
import { followPath } from '../../../host/path-walk.ts';

/** Who the server runs as: it refuses to be root. */
export interface ServerUser {
  uid: number;
  gid: number;
}

/** What a server's own directory has, by which it is known. */
const DATA = ['data', 'data.new'];
/** Of postmaster.pid, bytes: it has eight short lines. */
const MOST = 4096;

/**
 * Makes the directory of a server, or takes one that is empty or has been one: for this user alone. No link that others
 * can have made is followed.
 * @throws BouhekiError `untrusted` for one that is another's, or has other files; or where others can change its path
 */
export function claimDirectory(directory: string, user: ServerUser | undefined): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { directory: above, entry } = followPath(directory);
  try {
    if (entry === undefined || !entry.stats.isDirectory()) throw refused(directory, 'is no directory');
    const place = pathOf(entry.fd);
    const fault = faultOf(entry.stats, readdirSync(place), user);
    if (fault !== undefined) throw refused(directory, fault);
    chmodSync(place, 0o700);
    if (user !== undefined) chownSync(place, user.uid, user.gid);
  } finally {
    closeSync(above.fd);
    if (entry !== undefined) closeSync(entry.fd);
  }
}

function faultOf({ uid }: Stats, names: readonly string[], user: ServerUser | undefined): string | undefined {
  if (uid !== process.geteuid?.() && uid !== user?.uid) return `belongs to uid ${uid}`;
  return names.length === 0 || DATA.some((name) => names.includes(name)) ? undefined : 'has other files';
}

function refused(directory: string, fault: string): BouhekiError {
  return new BouhekiError(
    'untrusted',
    `${directory} cannot become the directory of a database: it ${fault}`,
    {
      remedy: 'name another directory with --demo: an empty one, or one that is not there',
    },
  );
}

/** What postmaster.pid says; empty where there is none. Its directory is another user's: no link, and no pipe. */
export function readPidFile(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return '';
  }
  try {
    const bytes = Buffer.alloc(MOST);
    return bytes.toString('utf8', 0, readSync(fd, bytes));
  } catch {
    // A pipe without a word in it.
    return '';
  } finally {
    closeSync(fd);
  }
}
