import { type Dir, opendirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { cgroupRoot } from '../host/cgroup-root.ts';
import { CGROUP_LISTED_EVERY } from '../bpf/wire.ts';
import type { ListedCgroup } from './apply.ts';
import type { KnownCgroup } from './known-cgroup.ts';
import type { SubjectTables } from './subject.ts';

/**
 * The paths of all cgroups that exist, the root's first; of those that users have made, `most` at the most.
 */
export function cgroupPaths(root: string, most: number): string[] {
  return [...walk(root, most)].flatMap((found) => (found === BEYOND ? [] : [found.path]));
}

/** Stands for cgroups of users that were too many to look at. */
const BEYOND = Symbol('beyond');

interface Visited {
  id: bigint;
  path: string;
  byUser: boolean;
  /** The one above; undefined for the root's. */
  above: Visited | undefined;
}

/**
 * Every cgroup that exists, each behind the one above it. All that only root can have made, however many
 * users have made, and of theirs the `most` that come first: a user can make any number of them, and a look
 * must end.
 */
function* walk(root: string, most: number): Generator<Visited | typeof BEYOND> {
  const waiting: { path: string; byUser: boolean; above: Visited | undefined }[] = [
    { path: '', byUser: false, above: undefined },
  ];
  const users: typeof waiting = [];
  for (let seen = 0; waiting.length > 0 || users.length > 0;) {
    const next = waiting.pop() ?? users.shift()!;
    if (next.byUser && (seen += 1) > most) {
      yield BEYOND;
      return;
    }
    const info = statSync(root + next.path, { bigint: true, throwIfNoEntry: false });
    if (info === undefined) continue;
    const visited = { ...next, id: info.ino, path: next.path === '' ? '/' : next.path };
    yield visited;
    const byUser = info.uid !== 0n;
    // What is beyond the limit isn't looked at anyway.
    const room = byUser ? most + 1 - users.length : Number.POSITIVE_INFINITY;
    for (const name of childrenOf(root + next.path, room)) {
      (byUser ? users : waiting).push({ path: `${next.path}/${name}`, byUser, above: visited });
    }
  }
}

/** The names of so many folders at the most. */
function childrenOf(directory: string, most: number): string[] {
  const names: string[] = [];
  let folder: Dir | undefined;
  try {
    folder = opendirSync(directory);
    for (let entry = folder.readSync(); entry && names.length < most; entry = folder.readSync()) {
      if (entry.isDirectory()) names.push(entry.name);
    }
  } catch {
    // It is gone.
  }
  folder?.closeSync();
  return names;
}

/** Whether others than root can have made a cgroup: those who own the one above it. */
export function isMadeByUser(root: string, path: string): boolean {
  if (path === '/') return false;
  return statSync(root + dirname(path), { throwIfNoEntry: false })?.uid !== 0;
}

/** A cgroup to be listed, with its path below the root of the hierarchy. */
export interface FoundCgroup extends ListedCgroup {
  path: string;
  byUser: boolean;
}

/**
 * Every cgroup that exists and has an identity of its own under the policy. A cgroup that is accepted by the
 * same boxes as the one above it is left out, since the kernel side goes by the innermost that is listed; but
 * it only looks so far up, so that one in CGROUP_LISTED_EVERY is listed in any case. `most` are looked at of
 * those that users have made; `beyond`: there are more. `slices`: where systemd makes units, of root's making. `last`: the
 * id of the youngest that was looked at.
 */
export function listCgroups(
  subjects: SubjectTables,
  describe: (path: string) => KnownCgroup,
  most: number,
  root: string = cgroupRoot(),
): { found: FoundCgroup[]; slices: string[]; beyond: boolean; last: bigint } {
  const found: FoundCgroup[] = [];
  const slices: string[] = [];
  let last = 0n;
  /** Of those visited: the boxes of the listed one that is `steps` up. */
  const known = new Map<Visited, { key: string; steps: number }>();
  for (const visited of walk(root, most)) {
    if (visited === BEYOND) return { found, slices, beyond: true, last };
    const { above, byUser, id, path } = visited;
    if (id > last) last = id;
    if (!byUser && (path === '/' || path.endsWith('.slice'))) slices.push(path);
    const listed = above && known.get(above)!;
    const boxes = subjects.cgroup(describe(path));
    const key = boxes.join();
    const steps = (listed?.steps ?? 0) + 1;
    const needed = key !== listed?.key || steps >= CGROUP_LISTED_EVERY;
    if (needed) found.push({ id, boxes, path, byUser });
    known.set(visited, { key, steps: needed ? 0 : steps });
  }
  return { found, slices, beyond: false, last };
}
