import { matchesGlob } from '../policy/value/name.ts';
import type { TextDimension } from '../policy/meaning/dimension.ts';
import type { Box } from '../policy/meaning/policy.ts';

/** What the daemon knows of a cgroup. */
export interface KnownCgroup {
  path: string;
  /** Absent for a container whose name is not known: it is accepted by no rule that names one. */
  container?: string;
  image?: string;
  unit?: string;
}

/** The dimensions that are answered by the process's cgroup and what the daemon knows of it. */
const PLACE = {
  container: ({ container }) => container,
  image: ({ image }) => image,
  unit: ({ unit }) => unit,
  cgroup: ({ path }) => path,
} satisfies Partial<Record<TextDimension, (known: KnownCgroup) => string | undefined>>;

export type PlaceDimension = keyof typeof PLACE;
const PLACE_DIMENSIONS = Object.keys(PLACE) as PlaceDimension[];

/** Whether a box asks for a cgroup, or for what the daemon knows of one. */
export function namesCgroup(from: Box['from']): boolean {
  return PLACE_DIMENSIONS.some((dimension) => from[dimension] !== undefined);
}

/** Whether a box is for this cgroup, as far as it asks. */
export function acceptsCgroup(from: Box['from'], known: KnownCgroup): boolean {
  return PLACE_DIMENSIONS.every((dimension) => matchesAny(from[dimension], PLACE[dimension](known)));
}

/** Whether a box is for a container of this name and image, as far as it names any. */
export function acceptsContainer(from: Box['from'], known: KnownCgroup): boolean {
  return matchesAny(from.container, known.container) && matchesAny(from.image, known.image);
}

function matchesAny(patterns: readonly string[] | undefined, text: string | undefined): boolean {
  if (patterns === undefined) return true;
  return text !== undefined && patterns.some((pattern) => matchesGlob(pattern, text));
}
