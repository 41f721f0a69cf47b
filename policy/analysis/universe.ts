import { lastOf, type Prefix } from '../value/cidr.ts';
import { isForHostOnly, meansContainerFiles } from '../meaning/evaluate.ts';
import { keepOf, LONGEST_KEEP, reachOf } from '../meaning/known-name.ts';
import { hostNameClasses, isNameGlob, matchesName } from '../value/host-name.ts';
import {
  ACCOUNT_DIMENSIONS,
  type AccountDimension,
  comparedText,
  type DestinationDimension,
  FROM,
  ID_DIMENSIONS,
  type IdDimension,
  matchesPattern,
  TEXT_DIMENSIONS,
  type TextDimension,
  type TextKind,
} from '../meaning/dimension.ts';
import { isGlob } from '../value/name.ts';
import { nameClasses } from '../value/name-class.ts';
import { actionOf, subjectBoxes } from '../meaning/mode.ts';
import type { Action, Box, Policy, To } from '../meaning/policy.ts';
import { prefixesOfSpan } from '../value/prefix-set.ts';
import { PUBLIC } from '../value/public-address.ts';
import { hasPorts, PORT_PROTOCOLS } from '../value/protocol.ts';
import { HOST_UNKNOWN, hostSpans } from './host-class.ts';
import { type Region, subtractRegions } from './region.ts';
import { SOCKET_KINDS, type SocketKind } from '../value/socket-kind.ts';
import { intersectSpans, joinSpans, type Span, subtractSpans } from '../value/span.ts';

/** The dimensions of a region that are of destinations, by those of `to`, in the order of a region. */
export const DESTINATION_SPANS = {
  protocols: 'protocol',
  ports: 'port',
  prefixes: 'address',
  names: 'name',
} as const satisfies Record<DestinationDimension, string>;
type DestinationSpans = (typeof DESTINATION_SPANS)[DestinationDimension];

/** A dimension of ids, and that of the effective ones. */
type IdSpans = IdDimension | `e${IdDimension}`;
/** Those of names that ids have: which id has which name is a fact of a host, so they are dimensions apart. */
type AccountSpans = AccountDimension | `e${AccountDimension}`;
type NameDimension = TextDimension | AccountDimension | 'host' | 'name';
export type RegionDimension =
  | 'judged'
  | 'moment'
  | 'host'
  | TextDimension
  | IdSpans
  | AccountSpans
  | 'socket'
  | DestinationSpans
  | 'age';

/**
 * All dimensions of a region. `judged` is 1 for processes in containers and 0 for others; `moment` is that of the
 * connection, in microseconds since the epoch; `host` a class of hosts (see host-class.ts); `socket` is 0 for a
 * connection, else one more than the index of the kind of socket that is opened. Of an opening, the
 * dimensions of destinations are whole: as they come after `socket`, the algebra of regions never cuts them
 * there. `name` is one of those that the address is known by, 0 for none, and `age` the seconds since the end of its
 * TTL. An address may be known by several: as only an allow names any, two policies that treat each name alike treat
 * each set of them alike.
 */
export const DIMENSIONS: readonly RegionDimension[] = [
  'judged',
  'moment',
  'host',
  ...TEXT_DIMENSIONS,
  ...ID_DIMENSIONS.flatMap((dimension) => [dimension, effectiveOf(dimension)]),
  ...ACCOUNT_DIMENSIONS.flatMap((dimension) => [dimension, effectiveOf(dimension)]),
  'socket',
  ...Object.values(DESTINATION_SPANS),
  'age',
];

export function effectiveOf<D extends IdDimension | AccountDimension>(dimension: D): `e${D}` {
  return `e${dimension}`;
}

/** What a policy allows: the connections of `allow` that are not in `deny`. */
export interface Regions {
  allow: Region[];
  deny: Region[];
}

/**
 * Where the IPv6 addresses begin on the line of addresses; well behind the IPv4 ones, so that none are
 * neighbours.
 */
const V6 = 1n << 33n;

/** 0.0.0.0 and :: are loopback, and `::ffff:0:0/96` is IPv4: no connection has those destinations. */
const GAPS: readonly Span[] = [
  { first: 0n, last: 0n },
  { first: V6, last: V6 },
  { first: V6 + (0xffffn << 32n), last: V6 + (0x10000n << 32n) - 1n },
];
const ADDRESSES: readonly Span[] = subtractSpans(
  [
    { first: 0n, last: (1n << 32n) - 1n },
    { first: V6, last: V6 + (1n << 128n) - 1n },
  ],
  GAPS,
);
/** Up to the last moment that a number can hold. */
const MOMENTS: readonly Span[] = [{ first: 0n, last: BigInt(Number.MAX_SAFE_INTEGER) }];
const IDS: readonly Span[] = [{ first: 0n, last: (1n << 32n) - 1n }];
const PORTS: readonly Span[] = [{ first: 0n, last: 65_535n }];
const PROTOCOLS: readonly Span[] = [{ first: 0n, last: 255n }];
/** Seconds; the last one stands for all that are longer than a finite `keep` can be. */
const AGES: readonly Span[] = [{ first: 0n, last: BigInt(LONGEST_KEEP) + 1n }];
/** What is no opening of a socket. */
export const CONNECTION: readonly Span[] = [{ first: 0n, last: 0n }];
const SOCKETS: readonly Span[] = [{ first: 0n, last: BigInt(SOCKET_KINDS.length) }];
const INSIDE: readonly Span[] = [{ first: 1n, last: 1n }];
const OUTSIDE: readonly Span[] = [{ first: 0n, last: 0n }];
const EITHER: readonly Span[] = [{ first: 0n, last: 1n }];

/** All there is, in dimensions where that is the same for all policies. */
const WHOLE: Record<
  Exclude<RegionDimension, TextDimension | AccountSpans | 'host' | 'name'>,
  readonly Span[]
> = {
  judged: EITHER,
  moment: MOMENTS,
  uid: IDS,
  euid: IDS,
  gid: IDS,
  egid: IDS,
  socket: SOCKETS,
  protocol: PROTOCOLS,
  port: PORTS,
  address: ADDRESSES,
  age: AGES,
};

/**
 * All connections, as far as some policies can distinguish them. Names become numbers: one for each class of
 * names that the policies treat alike, and 0 for a name that is not known.
 */
export class Universe {
  /** The classes of a dimension, from 1; 0 is a name that is not known, which commands always are. */
  readonly #names = new Map<NameDimension, Span[]>();
  readonly #patterns = new Map<NameDimension, Map<string, Span[]>>();

  constructor(policies: readonly Policy[]) {
    const boxes = policies.flatMap(subjectBoxes);
    for (const dimension of TEXT_DIMENSIONS) {
      const { kind, known } = FROM[dimension];
      const patterns = [
        ...new Set(
          boxes.flatMap(({ from }) => (from[dimension] ?? []).map((text) => comparedText(kind, text))),
        ),
      ];
      const classes = kind === 'file' ? nameClasses(patterns, '/') : nameClasses(patterns);
      const exact = new Map(classes.map((witness, index) => [witness, index + 1]));
      this.#names.set(dimension, [span(known ? 1 : 0, classes.length)]);
      this.#patterns.set(
        dimension,
        new Map(patterns.map((pattern) => [pattern, spansOf(kind, pattern, classes, exact)])),
      );
    }
    for (const dimension of ACCOUNT_DIMENSIONS) {
      const names = [...new Set(boxes.flatMap(({ from }) => from[dimension] ?? []))];
      // One more for every other name.
      this.#names.set(dimension, [span(0, names.length + 1)]);
      this.#patterns.set(
        dimension,
        new Map(names.map((name, index) => [name, [span(index + 1, index + 1)]])),
      );
    }
    const hosts = hostSpans(new Set(boxes.flatMap(({ from }) => from.host ?? [])));
    this.#names.set('host', hosts.all);
    this.#patterns.set('host', hosts.byText);
    this.#addHostNames([...new Set(boxes.flatMap(({ to }) => to.names ?? []))]);
  }

  #addHostNames(patterns: readonly string[]): void {
    const classes = hostNameClasses(patterns);
    this.#names.set('name', [span(0, classes.length)]);
    const exact = new Map(classes.map((witness, index) => [witness, index + 1]));
    const classesOf = (pattern: string) =>
      isNameGlob(pattern)
        ? classes.flatMap((witness, index) => (matchesName(pattern, witness) ? [index + 1] : []))
        : [exact.get(pattern)!];
    this.#patterns.set(
      'name',
      new Map(
        patterns.map((pattern) => [
          pattern,
          joinSpans(classesOf(pattern).map((index) => span(index, index))),
        ]),
      ),
    );
  }

  /** The whole of a dimension. */
  all(dimension: RegionDimension): readonly Span[] {
    return isNames(dimension) ? this.#names.get(nameDimensionOf(dimension))! : WHOLE[dimension];
  }

  /** The patterns of a dimension with the classes they match. */
  patterns(dimension: TextDimension | AccountSpans | 'host' | 'name'): ReadonlyMap<string, readonly Span[]> {
    return this.#patterns.get(nameDimensionOf(dimension))!;
  }

  /** What a policy allows, and what it denies after all. */
  regionsOf(policy: Policy): Regions {
    const judged = policy.target === 'host' ? EITHER : INSIDE;
    const allow: Region[] = [];
    const deny: Region[] = [];
    if (policy.target === 'container') {
      allow.push(DIMENSIONS.map((dimension) => (dimension === 'judged' ? OUTSIDE : this.all(dimension))));
    }
    for (const box of policy.boxes) {
      const regions = this.#regionsOf(box, intersectSpans(judged, placesOf(box)));
      const list = box.action === 'allow' ? allow : deny;
      for (const region of regions) list.push(region);
    }
    return { allow, deny };
  }

  /** The subjects that a policy judges and only monitors, with every destination. */
  monitoredBy(policy: Policy): Region[] {
    const judged = policy.target === 'host' ? EITHER : INSIDE;
    const entries = [...(policy.modes ?? []), { from: {}, mode: policy.mode }];
    const monitored: Region[] = [];
    let rest = this.#regionsOf({ action: 'deny', name: '', from: {}, to: {} }, judged);
    for (const { from, mode } of entries) {
      const box: Box = { action: actionOf({ mode }), name: '', from, to: {} };
      const regions = this.#regionsOf(box, intersectSpans(judged, placesOf(box)));
      const left = subtractRegions(rest, regions);
      if (mode === 'monitor') monitored.push(...subtractRegions(rest, left));
      rest = left;
    }
    return monitored;
  }

  /** An allow needs both ids in its lists; a deny fires on one, so it is a region for each way to fire. */
  #regionsOf({ action, from, to, until }: Box, judged: readonly Span[]): Region[] {
    const names = TEXT_DIMENSIONS.map((dimension) => this.#namesOf(dimension, from[dimension]));
    const destination = to.sockets
      ? [joinSpans(to.sockets.map(socketSpan)), ...DESTINATIONS.map((dimension) => this.all(dimension))]
      : [CONNECTION, ...DESTINATIONS.map((dimension) => this.#destinationOf(dimension, to))];
    const moments = until === undefined ? MOMENTS : [{ first: 0n, last: BigInt(until) - 1n }];
    let subjects: Region[] = [[judged, moments, this.#hostsOf(action, from.host), ...names]];
    for (const dimension of ID_DIMENSIONS) {
      const listed = from[dimension] && joinSpans(from[dimension].map((id) => span(id, id)));
      const ways = waysOf(listed, IDS, action === 'deny');
      subjects = subjects.flatMap((subject) => ways.map((ids) => subject.concat(ids)));
    }
    for (const dimension of ACCOUNT_DIMENSIONS) {
      const known = this.#patterns.get(dimension)!;
      const listed = from[dimension] && joinSpans(from[dimension].flatMap((name) => known.get(name)!));
      const ways = waysOf(listed, this.all(dimension), action === 'deny');
      subjects = subjects.flatMap((subject) => ways.map((names) => subject.concat(names)));
    }
    return subjects
      .map((subject) => subject.concat(destination))
      .filter((region) => region.every((spans) => spans.length > 0));
  }

  #destinationOf(dimension: DestinationSpans | 'age', to: To): readonly Span[] {
    if (dimension !== 'name') return SPANS_OF_TO[dimension](to);
    if (!to.names) return this.all('name');
    const known = this.#patterns.get('name')!;
    return joinSpans(to.names.flatMap((pattern) => known.get(pattern)!));
  }

  /** A deny holds on a host that is not known, an allow does not. */
  #hostsOf(action: Action, texts: readonly string[] | undefined): readonly Span[] {
    if (!texts) return this.all('host');
    const known = this.#patterns.get('host')!;
    return joinSpans([
      ...(action === 'deny' ? [HOST_UNKNOWN] : []),
      ...texts.flatMap((text) => known.get(text)!),
    ]);
  }

  #namesOf(dimension: TextDimension, patterns: readonly string[] | undefined): readonly Span[] {
    if (!patterns) return this.all(dimension);
    const known = this.#patterns.get(dimension)!;
    const { kind } = FROM[dimension];
    return joinSpans(patterns.flatMap((text) => known.get(comparedText(kind, text))!));
  }
}

/** Where a process can be that a box matches: none outside containers has the name or the image of one. */
function placesOf(box: Box): readonly Span[] {
  if (isForHostOnly(box)) return OUTSIDE;
  return meansContainerFiles(box.from) ? INSIDE : EITHER;
}

function isNames(dimension: RegionDimension): dimension is TextDimension | AccountSpans | 'host' | 'name' {
  return !(dimension in WHOLE);
}

/** Real and effective ids have the same names. */
function nameDimensionOf(dimension: TextDimension | AccountSpans | 'host' | 'name'): NameDimension {
  return ACCOUNT_DIMENSIONS.find((each) => effectiveOf(each) === dimension) ?? (dimension as NameDimension);
}

/**
 * The prefixes of spans of the address dimension; a gap that they surround is included, as it is in
 * `0.0.0.0/0`.
 */
export function prefixesOf(spans: readonly Span[]): Prefix[] {
  const holds = (at: bigint) => spans.some(({ first, last }) => first <= at && at <= last);
  const surrounded = GAPS.filter(
    ({ first, last }) => holds(last + 1n) && (first === 0n || first === V6 || holds(first - 1n)),
  );
  return joinSpans([...spans, ...surrounded]).flatMap(({ first, last }) =>
    first < V6 ? prefixesOfSpan(4, first, last) : prefixesOfSpan(6, first - V6, last - V6),
  );
}

function spansOf(
  kind: TextKind,
  pattern: string,
  classes: readonly string[],
  exact: ReadonlyMap<string, number>,
): Span[] {
  if (!isGlob(pattern)) {
    const index = exact.get(pattern)!;
    return [span(index, index)];
  }
  return joinSpans(
    classes.flatMap((witness, index) =>
      matchesPattern(kind, pattern, witness) ? [span(index + 1, index + 1)] : [],
    ),
  );
}

/** Of the real and the effective one: in `listed` is either of them, or both. */
function waysOf(
  listed: readonly Span[] | undefined,
  all: readonly Span[],
  either: boolean,
): (readonly Span[])[][] {
  if (!listed) return [[all, all]];
  return either
    ? [
        [listed, all],
        [all, listed],
      ]
    : [[listed, listed]];
}

function socketSpan(kind: SocketKind): Span {
  const value = SOCKET_KINDS.indexOf(kind) + 1;
  return span(value, value);
}

/** The kinds of sockets in spans of the socket dimension. */
export function socketKindsOf(spans: readonly Span[]): SocketKind[] {
  return SOCKET_KINDS.filter((kind) => intersectSpans(spans, [socketSpan(kind)]).length > 0);
}

const DESTINATIONS = [...Object.values(DESTINATION_SPANS), 'age'] as const;

/** What a `to` holds of a dimension. */
const SPANS_OF_TO: Record<Exclude<DestinationSpans, 'name'> | 'age', (to: To) => readonly Span[]> = {
  protocol: protocolsOf,
  port: ({ ports }) => (ports ? joinSpans(ports.map(({ first, last }) => span(first, last))) : PORTS),
  address: (to) => {
    const reach = reachOf(to);
    if (reach === PUBLIC) return publicSpans();
    return reach ? joinSpans(reach.flatMap(clip)) : ADDRESSES;
  },
  age: (to) => (to.names ? [{ first: 0n, last: ageOf(keepOf(to)) }] : AGES),
};

let spansOfPublic: readonly Span[] | undefined;

/** The addresses that names reach where no rule says which. */
export function publicSpans(): readonly Span[] {
  return (spansOfPublic ??= joinSpans(PUBLIC.flatMap(clip)));
}

/** A place on the line of ages. */
function ageOf(keep: number): bigint {
  return keep > LONGEST_KEEP ? AGES[0]!.last : BigInt(keep);
}

/** A box that names ports matches only protocols that have some. */
function protocolsOf({ ports, protocols }: To): readonly Span[] {
  const named = protocols?.filter((protocol) => !ports || hasPorts(protocol));
  const all = named ?? (ports ? PORT_PROTOCOLS : undefined);
  return all ? joinSpans(all.map((each) => span(each, each))) : PROTOCOLS;
}

function clip(prefix: Prefix): Span[] {
  const offset = prefix.family === 4 ? 0n : V6;
  const whole = [{ first: prefix.value + offset, last: lastOf(prefix) + offset }];
  return intersectSpans(whole, ADDRESSES);
}

function span(first: number, last: number): Span {
  return { first: BigInt(first), last: BigInt(last) };
}
