import { lstatSync, mkdirSync, statfsSync, type Stats } from 'node:fs';
import { BouhekiError } from '../../error/error.ts';
import { readProcessStat } from '../../host/process-stat.ts';

/** Where bpffs is mounted, by systemd or by hand. */
export const BPFFS = '/sys/fs/bpf';
/** What its superblock begins with (BPF_FS_MAGIC). */
const BPFFS_MAGIC = 0xcafe_4a11;

/** The folder of all that bouheki has pinned: in it a folder for each process, in that its links. */
export const PIN_ROOT = `${BPFFS}/bouheki`;

/**
 * Version of what a folder holds. How it is called, and what `about` says, stay the same in every version: any of them
 * can report what another has pinned, and remove it.
 */
const SCHEMA = 1;

/** The map in each folder that says what it enforces. */
export const ABOUT = 'about';

/** A folder that is not complete yet has this behind its name. */
const UNFINISHED = '-new';

/** The process that has pinned something. */
export interface Owner {
  pid: number;
  /** Nanoseconds since boot: a number of a process is used again. */
  started: bigint;
}

/** Whose folder it is; undefined for any other name. */
export function readFolderName(name: string): (Owner & { schema: number; complete: boolean }) | undefined {
  const match = /^v(\d+)-(\d+)-(\d+)(-new)?$/.exec(name);
  if (!match) return undefined;
  const [, schema, pid, started, unfinished] = match;
  return {
    schema: Number(schema),
    pid: Number(pid),
    started: BigInt(started!),
    complete: unfinished === undefined,
  };
}

/** The folder of a process, before and after everything is in it. No name in bpffs may have a dot. */
export function foldersOf({ pid, started }: Owner): { unfinished: string; complete: string } {
  const complete = `${PIN_ROOT}/v${SCHEMA}-${pid}-${started}`;
  return { unfinished: `${complete}${UNFINISHED}`, complete };
}

/** This process. */
export function self(): Owner {
  return { pid: process.pid, started: readProcessStat('/proc/self')!.started };
}

/** Whether a process still runs. */
export function isAlive({ pid, started }: Owner): boolean {
  const stat = readProcessStat(`/proc/${pid}`);
  return stat !== undefined && !stat.ended && stat.started === started;
}

/** Why nothing can be pinned; undefined where it can. */
export function whyNotPinned(): string | undefined {
  try {
    if (statfsSync(BPFFS).type !== BPFFS_MAGIC) return `no bpffs is mounted at ${BPFFS}`;
    const above = lstatSync(BPFFS);
    // In a sticky directory nobody but its owner can rename what is ours.
    if (above.uid !== 0 || ((above.mode & 0o022) !== 0 && (above.mode & 0o1000) === 0))
      return `${BPFFS} can be changed by other users than root`;
    const there = lstatSync(PIN_ROOT, { throwIfNoEntry: false });
    return there && !isOurs(there) ? `${PIN_ROOT} can be changed by other users than root` : undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

export const PIN_REMEDY = `mount it: mount -t bpf bpf ${BPFFS}, and see that root alone can write to ${PIN_ROOT}; or set on_exit: release`;

/** Makes the folder of all pins where it is missing. Throws BouhekiError where pins would be in the reach of others. */
export function makePinRoot(): void {
  const why = whyNotPinned();
  if (why !== undefined) throw notPinned(why);
  try {
    mkdirSync(PIN_ROOT, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw notPinned((error as Error).message);
    // By others meanwhile.
    if (!isOurs(lstatSync(PIN_ROOT))) throw notPinned(`${PIN_ROOT} can be changed by other users than root`);
  }
}

/** That a policy which is to outlive the process can't. */
export function notPinned(why: string, cause?: unknown): BouhekiError {
  return new BouhekiError(
    'kernel',
    `the policy cannot be kept when this process ends (on_exit: keep): ${why}`,
    {
      remedy: PIN_REMEDY,
      cause,
    },
  );
}

function isOurs(there: Stats): boolean {
  return there.isDirectory() && there.uid === process.geteuid!() && (there.mode & 0o077) === 0;
}

/** Whether this process can't look into the folder of all pins: another user's. */
export function isForeign(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EACCES';
}
