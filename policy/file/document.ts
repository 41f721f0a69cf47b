import {
  DESTINATION_DIMENSIONS,
  type DestinationDimension,
  type DestinationKey,
  TO,
} from '../meaning/dimension.ts';
import { formatPrefix } from '../value/cidr.ts';
import { formatKeep } from '../value/keep.ts';
import { keepOf, NAME_DEFAULTS } from '../meaning/known-name.ts';
import type { From, LogOptions, Mode, OnExit, Target, To } from '../meaning/policy.ts';
import { formatPortRange } from '../value/port.ts';
import { formatProtocol } from '../value/protocol.ts';

/** A value of a list, with a comment behind it where there is something to say. */
export type Entry<T extends string | number = string | number> = T | { value: T; comment: string };

/** The lists of subjects in the flat layout and in version 1, which get no more of them. */
export const FLAT_SUBJECTS = ['command', 'uid', 'gid'] as const satisfies (keyof From)[];
/** The keys of the flat layout, in the order in which they are printed. */
export const FLAT_KEYS = ['cidr', ...FLAT_SUBJECTS] as const;
export type FlatKey = (typeof FLAT_KEYS)[number];

/** What a version 2 file says, before it is text. Comments are plain text, in one or more lines. */
export interface PolicyDocument {
  header?: string;
  /** Whether long lists have several values a line, and one destination stands on the line of its `to`. */
  dense?: boolean;
  mode: Mode;
  modes?: ModeDocument[];
  target: Target;
  onExit?: OnExit;
  deny?: RuleDocument[];
  allow?: RuleDocument[];
  /** The flat layout, instead of `deny` and `allow`. */
  flat?: Partial<Record<FlatKey, { allow?: Entry[]; deny?: Entry[] }>>;
  names?: NamesDocument;
  /** By their names, in the order in which they are printed. */
  sets?: ReadonlyMap<string, SetDocument>;
  log?: Partial<LogOptions>;
}

/** An entry of `modes`. */
export interface ModeDocument extends Pick<RuleDocument, 'name'> {
  from: NonNullable<RuleDocument['from']>;
  mode: Mode;
}

export interface RuleDocument {
  /** Printed above the rule. */
  comment?: string;
  /** Printed behind the first line of the rule. One line. */
  note?: string;
  name?: string;
  /** When it ends, as `formatEnd` writes it. */
  until?: string;
  from?: { [K in keyof From]?: Entry[] };
  /** Absent: every destination, or none when `sockets` is there. */
  to?: ToDocument[];
  sockets?: Entry[];
}

/** The lists of an entry of `to` in a file. `except` stands for no dimension: it is carved out of `cidr`. */
export type ToList = DestinationKey | 'except';
/** The keys of an entry of `to` in a file. */
export type ToKey = ToList | 'keep';

export interface ToDocument extends Partial<Record<ToList, Entry[]>> {
  /** Printed above the destination. */
  comment?: string;
  /** Beside `name`: a duration, or `forever`. */
  keep?: string;
}

/** The lists of an entry of `to` that may name sets, and so the kinds of sets. */
export const SET_KINDS = ['cidr', 'port', 'name'] as const satisfies ToList[];
export type SetKind = (typeof SET_KINDS)[number];

/** A set of a file, which has one kind. */
export interface SetDocument extends Partial<Record<SetKind, Entry[]>> {
  /** Printed above the set. */
  comment?: string;
}

/** `names` of a file. */
interface NamesDocument {
  resolvers?: Entry[];
  keep?: string;
  hosts?: boolean;
}

/** A destination as it stands in a file, for names of which `keep` holds where it does not say. */
export function destinationText(to: To, keep: number = NAME_DEFAULTS.keep): ToDocument {
  const document: ToDocument = {};
  for (const dimension of DESTINATION_DIMENSIONS) {
    const entries = ENTRIES[dimension](to);
    if (entries) document[TO[dimension]] = entries;
  }
  if (to.names && keepOf(to) !== keep) document.keep = formatKeep(keepOf(to));
  return document;
}

const ENTRIES: Record<DestinationDimension, (to: To) => Entry[] | undefined> = {
  names: ({ names }) => names,
  prefixes: ({ prefixes }) => prefixes?.map(formatPrefix),
  ports: ({ ports }) => ports?.map(portText),
  protocols: ({ protocols }) => protocols?.map(protocolText),
};

function portText(range: NonNullable<To['ports']>[number]): string | number {
  return range.first === range.last ? range.first : formatPortRange(range);
}

function protocolText(protocol: number): string | number {
  const name = formatProtocol(protocol);
  return name === String(protocol) ? protocol : name;
}

/** By this comment at the head of a file editors find the schema, where `bouheki schema` has written it beside. */
export const SCHEMA_COMMENT = 'yaml-language-server: $schema=./policy.schema.json';
