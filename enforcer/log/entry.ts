/**
 * What the log says of one denied connection, or of many. Absent fields are unknown, or differ, and are not
 * logged.
 */
export interface VerdictEntry {
  action: 'BLOCKED' | 'MONITOR';
  /** Absent, as the port, when a socket was opened that no destination can be judged by. */
  address?: string;
  /** What that address was known by. */
  name?: string;
  command?: string;
  /** Host name of the process's uts namespace: a container's, inside one. */
  hostname?: string;
  pid?: number;
  port?: number;
  /** The kind of that socket. */
  socket?: string;
  exe?: string;
  uid: number;
  /** What the host calls that user. */
  user?: string;
  protocol?: string;
  parentCommand?: string;
  /** The processes that started it, the nearest first: `bash < sshd < systemd`. */
  ancestors?: string;
  container?: string;
  image?: string;
  /** Name of the box that decided; absent when no rule allows the connection. */
  rule?: string;
  policy?: string;
  /** How many denials the line stands for, where that is not one. */
  count?: number;
  /** The allow rule that comes nearest, where none decided: how many boxes a search looks at, and the search. */
  nearest?: NearestRule;
}

interface NearestRule {
  boxes: number;
  find(): string | undefined;
}

/** The message of every line about a verdict, as users parse it already. */
export const MESSAGE = 'Traffic is trapped in the filter.';
/** The message where lines could not be written. */
export const MISSING = 'Lines are missing here: the log could not be written.';

/** How a format writes lines, each with its line feed. Nothing in an entry can end a line or pose as a field. */
export interface LineFormat {
  verdict(entry: VerdictEntry): string;
  /** Stands where so many lines were dropped. */
  missing(count: number): string;
}

/** A value without the fields that are undefined, of itself and of what it holds; undefined where nothing is left. */
export function compact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(compact);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value)
    .map(([key, each]) => [key, compact(each)] as const)
    .filter(([, each]) => each !== undefined);
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}
