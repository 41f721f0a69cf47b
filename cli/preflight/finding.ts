/** What a pre-flight looks at, in the order in which it is told. */
export const CHECKS = [
  'history',
  'resolvers',
  'ssh',
  'loopback',
  'dhcp',
  'tunnels',
  'mptcp',
  'sockets',
  'connections',
] as const;

type Check = (typeof CHECKS)[number];

/** What a pre-flight has found at one point. */
export interface Finding {
  check: Check;
  /** `stop`: nothing is blocked unless that is forced. */
  state: 'ok' | 'warn' | 'stop';
  what: string;
  /** What follows from it. */
  why?: string;
  /** What to do about it. */
  remedy?: string;
  /** What it is about, one by one. */
  entries?: readonly object[];
  /** The same for people. */
  table?: { head: readonly string[]; rows: readonly (readonly string[])[] };
}

/** Lines of a table of what is open now; the rest is counted. */
export const SHOWN = 20;

/** `a, b and 3 more`: some of the names, all where they are few. */
export function someOf(names: readonly string[], most = 3): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
