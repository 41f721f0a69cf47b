import { TEXT_DIMENSIONS } from '../../policy/meaning/dimension.ts';
import type { Observation, Subject } from '../../profiler/read/observation.ts';

/**
 * The observations in an order that depends on what they say, not on how they came: by subject, then
 * destination.
 */
export function inStableOrder<T extends Observation>(observations: readonly T[]): T[] {
  return [...observations].sort(compareObservations);
}

function compareSubjects(a: Subject, b: Subject): number {
  // Observations of one subject hold the same object.
  if (a === b) return 0;
  return (
    compareText(a.exe, b.exe) ||
    compareText(a.script, b.script) ||
    compareText(a.command, b.command) ||
    a.uid - b.uid ||
    a.gid - b.gid ||
    compareIds(a, b) ||
    Number(a.inContainer) - Number(b.inContainer) ||
    compareTexts(a, b)
  );
}

/** Of subjects with the same program. */
function compareTexts(a: Subject, b: Subject): number {
  for (const dimension of TEXT_DIMENSIONS) {
    const order = compareText(a[dimension], b[dimension]);
    if (order !== 0) return order;
  }
  return 0;
}

/** Of subjects with the same real ids. */
function compareIds(a: Subject, b: Subject): number {
  const euids = [a.euid ?? a.uid, b.euid ?? b.uid] as const;
  const egids = [a.egid ?? a.gid, b.egid ?? b.gid] as const;
  return (
    euids[0] - euids[1] ||
    egids[0] - egids[1] ||
    (a.fsuid ?? euids[0]) - (b.fsuid ?? euids[1]) ||
    (a.fsgid ?? egids[0]) - (b.fsgid ?? egids[1])
  );
}

function compareObservations(a: Observation, b: Observation): number {
  return (
    compareSubjects(a.subject, b.subject) ||
    compareText(a.socket, b.socket) ||
    compareText(a.name, b.name) ||
    a.family - b.family ||
    (a.address < b.address ? -1 : a.address > b.address ? 1 : 0) ||
    a.port - b.port ||
    a.protocol - b.protocol ||
    compareText(a.verdict, b.verdict) ||
    a.first - b.first ||
    a.last - b.last ||
    a.count - b.count ||
    compareNames(a, b)
  );
}

/** Of observations that names alone tell apart. */
function compareNames(a: Observation, b: Observation): number {
  return (
    compareText(a.names?.join(' '), b.names?.join(' ')) ||
    compareText(a.known?.by, b.known?.by) ||
    (a.known?.age ?? 0) - (b.known?.age ?? 0)
  );
}

/** By UTF-16 code units, unlike `localeCompare`, whose order depends on the machine. Unknown comes first. */
export function compareText(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  return a < b ? -1 : 1;
}

/** The largest of what is said of some values, -Infinity of none: more of them than a call can have arguments. */
export function mostOf<T>(values: readonly T[], of: (value: T) => number): number {
  let most = -Infinity;
  for (const value of values) most = Math.max(most, of(value));
  return most;
}

/** Values with equal keys together, in the order in which the keys came. */
export function groupsOf<T>(values: Iterable<T>, keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
