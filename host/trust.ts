import { readFileSync, type Stats } from 'node:fs';
import { BouhekiError } from '../error/error.ts';

/**
 * Who may change a directory's names: `closed`, trusted users alone; `shared`, every user may add names but
 * change none that belongs to a trusted user (the sticky bit); `open`, others may put anything under any
 * name.
 */
export type Standing = 'closed' | 'shared' | 'open';

const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/**
 * Root and the caller are trusted: root may do anything anyway, and the caller gains nothing by deceiving
 * itself.
 */
export function isTrusted(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

export function everybodyMayWrite(stats: Stats): boolean {
  return (stats.mode & OTHERS_WRITE) !== 0;
}

/** Whether users that are not trusted may write. ACLs show in the bits of the group, which are their mask. */
function othersMayWrite(stats: Stats): boolean {
  if (everybodyMayWrite(stats)) return true;
  return (stats.mode & GROUP_WRITES) !== 0 && !isPrivateGroup(stats);
}

export function standingOf(directory: Stats): Standing {
  if (!isTrusted(directory.uid)) return 'open';
  if (!othersMayWrite(directory)) return 'closed';
  return (directory.mode & STICKY) === 0 ? 'open' : 'shared';
}

/**
 * Distributions give each user a group of the same number with no other member, and let that group write
 * (umask 002, see pam_umask(8)). Root's group has other members in places, such as containers with arbitrary
 * user ids.
 */
function isPrivateGroup({ gid, uid }: Stats): boolean {
  return uid !== 0 && uid === process.geteuid?.() && gid === uid;
}

/**
 * The user who mounted the file system with this number, where the mount table says so: FUSE shows any owner
 * and mode that its server likes. Undefined for a mount that root has made.
 */
export function mounterOf(mountId: number): number | undefined {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${mountId} `));
  // The source is text of the user's choice, the options after it are the kernel's.
  const [type, , options] = line?.split(' - ')[1]?.split(' ') ?? [];
  const user =
    type?.startsWith('fuse') === true ? /(?:^|,)user_id=(\d+)/.exec(options ?? '')?.[1] : undefined;
  return user === undefined ? undefined : Number(user);
}

/** The error for a path that another user can change: `place` of it, because of `fault`. */
export function untrusted(path: string, place: string, fault: string, mend?: string): BouhekiError {
  const who = process.geteuid?.() === 0 ? 'root' : `root and you (uid ${process.geteuid?.()})`;
  const where = process.geteuid?.() === 0 ? '/etc/bouheki or /var/lib/bouheki' : 'a directory of your own';
  return new BouhekiError(
    'untrusted',
    `${path} can be changed by users other than ${who}: ${place === path ? 'it' : place} ${fault}`,
    {
      remedy: `Use ${where}, where no other user can write${mend === undefined ? '' : `, or make sure of what is there and run: ${mend}`}.`,
    },
  );
}

/** The fault of a file that belongs to another user, or that others may write; undefined when it has none. */
export function faultOf(stats: Stats): string | undefined {
  if (!isTrusted(stats.uid)) return `belongs to uid ${stats.uid}`;
  if (!othersMayWrite(stats)) return undefined;
  return everybodyMayWrite(stats)
    ? 'can be written by every user'
    : `can be written by its group (gid ${stats.gid})`;
}

/**
 * The command that takes a file, or a directory of a trusted user, away from others. There is none for the
 * directories that belong to another user or are shared on purpose.
 */
export function mendOf(stats: Stats, place: string): string | undefined {
  if (stats.isDirectory() && (!isTrusted(stats.uid) || (stats.mode & STICKY) !== 0)) return undefined;
  const parts = [
    ...(isTrusted(stats.uid) ? [] : [`chown root ${place}`]),
    ...((stats.mode & (GROUP_WRITES | OTHERS_WRITE)) !== 0 ? [`chmod go-w ${place}`] : []),
  ];
  return parts.join('; ');
}
