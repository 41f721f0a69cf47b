import {
  DESTINATION_DIMENSIONS,
  type DestinationDimension,
  type DestinationKey,
  TO,
} from '../meaning/dimension.ts';
import { formatEnd } from '../../format/moment.ts';
import { formatAddress } from '../value/address.ts';
import { formatPrefix } from '../value/cidr.ts';
import { formatKeep } from '../value/keep.ts';
import { keepOf, NAME_DEFAULTS } from '../meaning/known-name.ts';
import type {
  Box,
  From,
  LogOptions,
  Mode,
  NameOptions,
  OnExit,
  Policy,
  Target,
  To,
} from '../meaning/policy.ts';
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
export interface NamesDocument {
  resolvers?: Entry[];
  keep?: string;
  hosts?: boolean;
}

/**
 * The rules that say what the boxes of a policy say, one for each run of boxes with the same name and
 * subject. Names made from a place (`allow[0]`) are kept, so that logs before and after agree. Parsing the
 * print of it gives the boxes back.
 */
export function documentOf(policy: Policy): PolicyDocument {
  const { keep } = policy.names ?? NAME_DEFAULTS;
  const rules = (action: Box['action']) =>
    rulesOf(
      policy.boxes.filter((box) => box.action === action),
      keep,
    );
  return {
    mode: policy.mode,
    ...(policy.modes && { modes: policy.modes }),
    target: policy.target,
    ...(policy.onExit && { onExit: policy.onExit }),
    deny: rules('deny'),
    allow: rules('allow'),
    ...(policy.names && { names: namesDocument(policy.names) }),
    log: policy.log,
  };
}

function namesDocument({ hosts, keep, resolvers }: NameOptions): NamesDocument {
  return {
    resolvers: resolvers.map((each) => (each === 'auto' ? each : formatAddress(each))),
    keep: formatKeep(keep),
    hosts,
  };
}

function rulesOf(boxes: readonly Box[], keep: number): RuleDocument[] {
  const rules: (Pick<Box, 'name' | 'from' | 'until'> & { to: ToDocument[]; sockets?: Entry[] })[] = [];
  for (const { name, from, to, until } of boxes) {
    let last = rules.at(-1);
    // The box of `sockets` is the last one of its rule.
    const same = last && last.name === name && last.until === until && sameFrom(last.from, from);
    if (!last || !same || last.sockets) {
      rules.push((last = { name, from, to: [], ...(until !== undefined && { until }) }));
    }
    if (to.sockets) last.sockets = to.sockets;
    else last.to.push(destinationText(to, keep));
  }
  return rules.map(({ name, from, to, sockets, until }) => {
    const rule: RuleDocument = { name };
    if (until !== undefined) rule.until = formatEnd(until);
    if (Object.keys(from).length > 0) rule.from = from;
    // A rule with neither `to` nor `sockets` is one box with any destination.
    const anywhere = !sockets && to.length === 1 && Object.keys(to[0]!).length === 0;
    if (to.length > 0 && !anywhere) rule.to = to;
    if (sockets) rule.sockets = sockets;
    return rule;
  });
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

function sameFrom(a: From, b: From): boolean {
  return a === b || JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
}

/** By this comment at the head of a file editors find the schema, where `bouheki schema` has written it beside. */
export const SCHEMA_COMMENT = 'yaml-language-server: $schema=./policy.schema.json';
