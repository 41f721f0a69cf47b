import { statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Egress } from '../bpf/egress.ts';
import { SystemError } from '../bpf/libbpf.ts';
import { EXPECTED_NAME_SIZE, ExpectedCgroup as Key, MAX_EXPECTED_CGROUPS } from '../bpf/wire.ts';
import type { BoxVector } from './vector/box-vector.ts';

/** A cgroup that root may make: the id of the one above it, its name, and the boxes that will accept it. */
export interface ExpectedCgroup {
  above: bigint;
  name: string;
  boxes: BoxVector;
}

/** Of one side. */
const MOST = MAX_EXPECTED_CGROUPS / 2;

const rank = (path: string): number => (path === '/system.slice' ? 0 : path.split('/').length);

/**
 * Paths of the cgroups that rules wait for: those that they name whole, and each unit that they name whole in each
 * slice there is. Patterns with `*` name nothing that could be made beforehand.
 *
 * @param units Names of units, as in rules.
 * @param cgroups Paths of cgroups, as in rules.
 * @param slices Paths of slices. That of services comes first, then the ones that are nearer to the root.
 */
export function awaitedPaths(
  { cgroups, units }: { units: readonly string[]; cgroups: readonly string[] },
  slices: readonly string[],
): string[] {
  const ranked = slices.toSorted((a, b) => rank(a) - rank(b));
  const within = ranked.flatMap((slice) =>
    units.map((unit) => (slice === '/' ? `/${unit}` : `${slice}/${unit}`)),
  );
  return [...cgroups, ...within];
}

/**
 * What is to be told the kernel side of these paths, as much as there is room for. One whose parent is not there is
 * left out, and so is a name that finds no room in a key.
 *
 * @param root Where the hierarchy is mounted.
 * @param boxesOf The boxes that accept a cgroup of this path; undefined where its path alone does not say.
 */
export function expectCgroups(
  paths: Iterable<string>,
  root: string,
  boxesOf: (path: string) => BoxVector | undefined,
): ExpectedCgroup[] {
  const ids = new Map<string, bigint | undefined>();
  const idOf = (path: string) => {
    if (!ids.has(path)) ids.set(path, statSync(root + path, { bigint: true, throwIfNoEntry: false })?.ino);
    return ids.get(path);
  };
  const expected: ExpectedCgroup[] = [];
  for (const path of new Set(paths)) {
    if (expected.length === MOST) break;
    const [above, name] = [idOf(dirname(path)), basename(path)];
    if (above === undefined || !fits(name)) continue;
    const boxes = boxesOf(path);
    if (boxes) expected.push({ above, name, boxes });
  }
  return expected;
}

/** Puts them in the place of those that a side expects. */
export function replaceExpected(egress: Egress, side: 0 | 1, expected: readonly ExpectedCgroup[]): void {
  const map = egress.expectedCgroups;
  for (const key of map.keys()) if (key.readUInt32LE(Key.offset.side) === side) map.delete(key);
  for (const each of expected) putExpected(egress, side, each);
}

/** Adds one. Without room for it its rules hold later: as soon as the daemon has heard of the cgroup. */
export function putExpected(egress: Egress, side: 0 | 1, { boxes, ...where }: ExpectedCgroup): void {
  try {
    egress.expectedCgroups.set(
      keyOf(side, where),
      new Uint8Array(boxes.buffer, boxes.byteOffset, boxes.byteLength),
    );
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
}

/** Takes one away. */
export function forgetExpected(egress: Egress, side: 0 | 1, where: Omit<ExpectedCgroup, 'boxes'>): void {
  egress.expectedCgroups.delete(keyOf(side, where));
}

/** A longer one is cut by the kernel side, and its last byte there is a NUL. */
const fits = (name: string): boolean => name !== '' && Buffer.byteLength(name) < EXPECTED_NAME_SIZE - 1;

function keyOf(side: 0 | 1, { above, name }: Omit<ExpectedCgroup, 'boxes'>): Buffer {
  const key = Buffer.alloc(Key.size);
  key.writeBigUInt64LE(above, Key.offset.above);
  key.writeUInt32LE(side, Key.offset.side);
  key.write(name, Key.offset.name);
  return key;
}
