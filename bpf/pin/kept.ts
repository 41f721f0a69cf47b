import { readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { bootTime } from '../clock.ts';
import { type About, AboutMap, type KeptPolicy } from './about.ts';
import { ABOUT, isAlive, isForeign, type Owner, PIN_ROOT, readFolderName } from './place.ts';

/** What a process has pinned. */
export interface Kept extends Owner {
  folder: string;
  schema: number;
  /** Whether all of it is there; false for a process that has ended, or not come further yet, before it was. */
  complete: boolean;
  /** Whether that process runs still. */
  alive: boolean;
  /** Absent where it can't be read. */
  about?: About;
}

/** All that is pinned, by the start of its process; undefined where this user may not look. */
export function findKept(): Kept[] | undefined {
  let names: string[];
  try {
    names = readdirSync(PIN_ROOT);
  } catch (error) {
    return isForeign(error) ? undefined : [];
  }
  return names
    .flatMap((name) => {
      const owner = readFolderName(name);
      if (!owner) return [];
      const folder = `${PIN_ROOT}/${name}`;
      const about = AboutMap.read(`${folder}/${ABOUT}`);
      return [{ ...owner, folder, alive: isAlive(owner), ...(about && { about }) }];
    })
    .toSorted((a, b) => Number(a.started - b.started));
}

/** The policy that holds, which after the time for its confirmation is the one before. */
export function policyOf({ confirmBy, former, policy }: About): KeptPolicy {
  const over = confirmBy !== undefined && BigInt(confirmBy) <= bootTime();
  return over ? (former ?? { ...policy, mode: 'monitor' }) : policy;
}

/**
 * Removes a folder and what is in it, the programs that were attached last first: what judges, then what follows who a
 * process is. What no process holds is detached with that. Returns whether there was one.
 */
export function removeFolder(folder: string): boolean {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  const links = names.filter((name) => name !== ABOUT).toSorted();
  for (const name of [...links.toReversed(), ...names.filter((each) => each === ABOUT)])
    gone(() => unlinkSync(`${folder}/${name}`));
  gone(() => rmdirSync(folder));
  return true;
}

/** Others may remove it at the same time. */
function gone(remove: () => void): void {
  try {
    remove();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
