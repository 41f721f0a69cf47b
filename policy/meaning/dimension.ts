import { cutPattern, matchesGlob, matchesPath } from '../value/name.ts';
import type { Flow, From, To } from './policy.ts';

/**
 * How the texts of a dimension are written and compared. `command`: on its first 15 bytes, with a `*` at the
 * end only. `file`: an absolute path with `*`, which reaches across no `/`. `path`: an absolute path with `*`. `name`: any text with `*`.
 */
export type TextKind = 'command' | 'file' | 'path' | 'name';

/** Which ids of a process a dimension lists, or names. */
export type IdKind = 'user' | 'group';

/**
 * What a dimension says about a process. `program`: which program it is. `part`: what a program runs.
 * `claim`: what any process can say of itself, so no security boundary. `group`: what several programs can
 * have in common.
 */
export type Role = 'program' | 'part' | 'claim' | 'group';

interface TextFacts {
  kind: TextKind;
  /**
   * Whether every flow has a value; otherwise the value may be unknown, and an unknown value matches no list.
   */
  known: boolean;
  role: Role;
  /** What the value is, of a process: ends the sentence "It is the ...". */
  about: string;
}

interface IdFacts {
  kind: IdKind;
}

/** A dimension of names that mean ids, which the host knows. */
interface AccountFacts {
  kind: 'account';
  /** What the names are names of. */
  of: IdKind;
  /** The dimension that lists the ids themselves: a rule names one of the two. */
  ids: IdDimension;
}

/** A dimension of what a policy is resolved for before it is compiled. */
interface HostFacts {
  kind: 'host';
}

/** What the table must say of a dimension: `known` follows from the type of its value in `Flow`. */
type FactsOf<D extends keyof From> = D extends TextDimension
  ? TextFacts & { known: D extends keyof Flow ? (object extends Pick<Flow, D> ? false : true) : never }
  : D extends AccountDimension
    ? AccountFacts
    : D extends 'host'
      ? HostFacts
      : IdFacts;

/**
 * The dimensions of `from`, in the order in which they are printed. Whatever works on every dimension of a
 * subject reads this table, so that a dimension which is not in it, or whose kind a place does not handle,
 * does not compile. The kernel side has a table of its own in enforcer/subject.ts, which must have the same
 * dimensions.
 */
export const FROM = {
  command: { kind: 'command', known: true, role: 'claim', about: 'name of the process (comm)' },
  exe: { kind: 'file', known: false, role: 'program', about: 'path of its executable' },
  script: { kind: 'file', known: false, role: 'part', about: 'path of the script it interprets' },
  uid: { kind: 'user' },
  user: { kind: 'account', of: 'user', ids: 'uid' },
  gid: { kind: 'group' },
  group: { kind: 'account', of: 'group', ids: 'gid' },
  container: { kind: 'name', known: false, role: 'program', about: 'name of its container' },
  image: { kind: 'name', known: false, role: 'group', about: 'image of its container' },
  unit: { kind: 'name', known: false, role: 'program', about: 'its systemd unit' },
  cgroup: { kind: 'path', known: false, role: 'group', about: 'its cgroup' },
  host: { kind: 'host' },
} as const satisfies { [D in keyof From]-?: FactsOf<D> };

/**
 * The dimensions of `to` in the words of the policy language, in the order in which they are printed. Each
 * place that handles them one by one has a record with these keys.
 */
export const TO = {
  names: 'name',
  keep: 'keep',
  prefixes: 'cidr',
  ports: 'port',
  protocols: 'protocol',
  sockets: 'sockets',
} as const satisfies Record<keyof To, string>;

/** The dimensions of `from` that list names of users or groups. */
export type AccountDimension = 'user' | 'group';
/** The dimensions of `from` that list texts which a process has itself. */
export type TextDimension = Exclude<DimensionOf<string[]>, AccountDimension | 'host'>;
/** The dimensions of `from` that list ids. */
export type IdDimension = DimensionOf<number[]>;
type DimensionOf<Values> = {
  [D in keyof From]-?: Required<From>[D] extends Values ? D : never;
}[keyof From];

/** The dimensions of `to` that describe a destination, of which `keep` is a part of `names`. */
export type DestinationDimension = Exclude<keyof To, 'sockets' | 'keep'>;
/** Their keys in a policy file. */
export type DestinationKey = (typeof TO)[DestinationDimension];

export const FROM_DIMENSIONS = Object.keys(FROM) as readonly (keyof From)[];
export const TEXT_DIMENSIONS = FROM_DIMENSIONS.filter(isTextDimension);
export const ACCOUNT_DIMENSIONS = FROM_DIMENSIONS.filter(isAccountDimension);
export const ID_DIMENSIONS = FROM_DIMENSIONS.filter(
  (dimension) => !isTextDimension(dimension) && !isAccountDimension(dimension) && dimension !== 'host',
) as readonly IdDimension[];
export const DESTINATION_DIMENSIONS = (Object.keys(TO) as (keyof To)[]).filter(
  (dimension) => dimension !== 'sockets' && dimension !== 'keep',
);

export function isTextDimension(dimension: keyof From): dimension is TextDimension {
  return 'role' in FROM[dimension];
}

export function isAccountDimension(dimension: keyof From): dimension is AccountDimension {
  return FROM[dimension].kind === 'account';
}

/**
 * A text of a policy in the form in which its dimension compares it: texts with the same form mean the same.
 */
export function comparedText(kind: TextKind, text: string): string {
  switch (kind) {
    case 'command':
      return cutPattern(text);
    case 'file':
    case 'path':
    case 'name':
      return text;
  }
}

/** Whether a text is what a pattern says, both as their dimension compares them. */
export function matchesPattern(kind: TextKind, pattern: string, text: string): boolean {
  switch (kind) {
    case 'command':
    case 'path':
    case 'name':
      return matchesGlob(pattern, text);
    case 'file':
      return matchesPath(pattern, text);
  }
}
