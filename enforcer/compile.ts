import {
  MAX_ADDRESS_CLASSES,
  MAX_BOXES,
  MAX_ENDS,
  MAX_INTERVALS,
  MAX_PORT_CLASSES,
  MAX_SUBJECT_KEYS,
  PORT_SLOT,
  PORT_SLOTS,
  SOCKET_KINDS,
  SocketKind,
} from '../bpf/wire.ts';
import { BouhekiError } from '../error/error.ts';
import { lastOf } from '../policy/value/cidr.ts';
import { DESTINATION_DIMENSIONS, type DestinationDimension } from '../policy/meaning/dimension.ts';
import { decidesIntent } from '../policy/meaning/evaluate.ts';
import { reachOf } from '../policy/meaning/known-name.ts';
import { subjectBoxes } from '../policy/meaning/mode.ts';
import type { Box, Policy } from '../policy/meaning/policy.ts';
import { addBox, boxesWhere, emptyVector, VectorClasses, type BoxVector } from './vector/box-vector.ts';
import type { KnownContainer } from './executable-entry.ts';
import { compileEnds, type Ends } from './rule-end.ts';
import { sweep, type Intervals, type Span } from './vector/interval.ts';
import { compileNames, type NameTables } from './name/name-table.ts';
import {
  compileSubjects,
  type ResolveAccount,
  type ResolveExecutable,
  type ResolveScripts,
  type SubjectTables,
} from './subject.ts';

/** A policy as the kernel side judges by it: plain data, not bound to a kernel. */
export interface CompiledPolicy {
  /** Boxes 0 to denyBoxes - 1 deny. */
  denyBoxes: number;
  /** Those, and the mode boxes that block: what is not known of a subject may be what they name. */
  deny: BoxVector;
  addresses: BoxVector[];
  ports: BoxVector[];
  intervals4: Intervals<number>;
  intervals6: Intervals<bigint>;
  /** Class of a port by `PORT_SLOT` of its protocol: PORT_SLOTS x 65,536. */
  portClass: Uint16Array;
  /** Class of a protocol without ports. */
  protocolClass: Uint16Array;
  /** The deny boxes that name addresses and nothing else. */
  backstop: BoxVector;
  /** The boxes that say which mode holds for a subject: those of `block` are among the deny boxes. */
  modes: BoxVector;
  /** The boxes that decide over a connect() which sends nothing. */
  intent: BoxVector;
  /** By SocketKind: the boxes that name it. */
  sockets: BoxVector[];
  /** After how many ends no subject may route packets by the source any more: 0: never one, Infinity: for ever. */
  sourceRoutes: number;
  ends: Ends;
  names: NameTables;
  subjects: SubjectTables;
}

export type { ResolveAccount, ResolveExecutable };

/**
 * Compiles a policy. `resolve` finds the files that `exe` names on the host, `containers` are those whose
 * files are known already, `account` finds the ids of names, `scripts` what
 * patterns mean. Throws a BouhekiError when the policy is larger than the kernel side's tables; it
 * never leaves anything out.
 */
export function compilePolicy(
  policy: Policy,
  resolve: ResolveExecutable,
  containers: readonly KnownContainer[] = [],
  account?: ResolveAccount,
  scripts?: ResolveScripts,
): CompiledPolicy {
  const boxes = subjectBoxes(policy);
  limit(
    'boxes (a rule has one for each entry of `to`, and one for `sockets`; a mode entry has one)',
    boxes.length,
    MAX_BOXES,
  );
  const denyBoxes = policy.boxes.filter((box) => box.action === 'deny').length;
  const reaching = boxes.map((box) => (box.to.sockets ? { ...box, to: NOWHERE } : box));
  const addressClasses = new VectorClasses();
  const anyAddress = boxesWhere(reaching, (box) => reachOf(box.to) === undefined);
  const intervals4 = sweep(spans4(reaching), anyAddress, 0xffff_ffff, (value) => value + 1, addressClasses);
  const intervals6 = sweep(
    spans6(reaching),
    anyAddress,
    (1n << 128n) - 1n,
    (value) => value + 1n,
    addressClasses,
  );
  limit('distinct IPv4 blocks', intervals4.starts.length, MAX_INTERVALS);
  limit('distinct IPv6 blocks', intervals6.starts.length, MAX_INTERVALS);
  limit('distinct groups of addresses', addressClasses.vectors.length, MAX_ADDRESS_CLASSES);
  const portClasses = new VectorClasses();
  const portClass = compilePorts(reaching, portClasses);
  const protocolClass = compileProtocols(reaching, portClasses);
  limit('distinct groups of ports', portClasses.vectors.length, MAX_PORT_CLASSES);
  const ends = compileEnds(boxes);
  limit('different times for `until`', ends.times.length, MAX_ENDS);
  const subjects = compileSubjects(boxes, resolve, containers, account, scripts);
  // Both sides of a swap live in one map.
  limit('commands, executables and ids', subjects.entries.length, MAX_SUBJECT_KEYS / 4);
  return {
    denyBoxes,
    deny: boxesWhere(boxes, (box) => box.action === 'deny'),
    addresses: addressClasses.vectors,
    ports: portClasses.vectors,
    intervals4,
    intervals6,
    portClass,
    protocolClass,
    backstop: boxesWhere(reaching, deniesEverybody),
    modes: modeVector(policy.boxes.length, boxes.length),
    intent: boxesWhere(boxes, decidesIntent),
    sockets: compileSockets(boxes),
    sourceRoutes: mayRoute(boxes, ends),
    ends,
    names: compileNames(boxes),
    subjects,
  };
}

function modeVector(first: number, end: number): BoxVector {
  const vector = emptyVector();
  for (let box = first; box < end; box += 1) addBox(vector, box);
  return vector;
}

/** A packet on its way out shows its address, but neither its process nor, in a fragment, its port. */
function deniesEverybody(box: Box): boolean {
  const { action, to } = box;
  const named = DESTINATION_DIMENSIONS.filter((dimension) => to[dimension] !== undefined);
  return action === 'deny' && isForAnybody(box) && named.every((dimension) => dimension === 'prefixes');
}

function isForAnybody({ from }: Box): boolean {
  return Object.values(from).every((values) => values === undefined);
}

/** Whether there are addresses that no box allows to any subject. */
export function allowsSomeToNobody({ addresses, deny }: CompiledPolicy): boolean {
  return addresses.some((boxes) => boxes.every((half, index) => (half & ~deny[index]!) === 0));
}

function mayRoute(boxes: readonly Box[], { times }: Ends): number {
  const named = boxes.filter(({ to }) => to.sockets?.includes('source-route'));
  if (named.some((box) => box.action === 'deny' && isForAnybody(box))) return 0;
  const allowing = named.filter(({ action }) => action === 'allow');
  return Math.max(
    0,
    ...allowing.map(({ until }) => (until === undefined ? Infinity : times.indexOf(until) + 1)),
  );
}

/** The destinations of a box for sockets: nothing, in each dimension that is compiled here. */
const NOWHERE = { names: [], prefixes: [], ports: [], protocols: [] } satisfies Record<
  DestinationDimension,
  []
>;

/** Reserved socket kinds match no box. */
function compileSockets(boxes: readonly Box[]): BoxVector[] {
  const vectors = Array.from({ length: SOCKET_KINDS }, emptyVector);
  for (const [box, { to }] of boxes.entries()) {
    for (const kind of to.sockets ?? []) addBox(vectors[SocketKind[kind]]!, box);
  }
  return vectors;
}

function limit(what: string, found: number, most: number): void {
  if (found <= most) return;
  throw new BouhekiError('policy', `the policy has ${found} ${what}; the kernel side takes ${most}`, {
    remedy: 'merge rules or prefixes, or generate with a smaller --max-cidrs',
  });
}

function spans4(boxes: readonly Box[]): Span<number>[] {
  const spans: Span<number>[] = [];
  for (const [box, { to }] of boxes.entries()) {
    for (const prefix of reachOf(to) ?? []) {
      if (prefix.family === 4) spans.push({ box, first: Number(prefix.value), last: Number(lastOf(prefix)) });
    }
  }
  return spans;
}

function spans6(boxes: readonly Box[]): Span<bigint>[] {
  const spans: Span<bigint>[] = [];
  for (const [box, { to }] of boxes.entries()) {
    for (const prefix of reachOf(to) ?? []) {
      if (prefix.family === 6) spans.push({ box, first: prefix.value, last: lastOf(prefix) });
    }
  }
  return spans;
}

function acceptsProtocol(box: Box, protocol: number): boolean {
  return box.to.protocols === undefined || box.to.protocols.includes(protocol);
}

function compilePorts(boxes: readonly Box[], classes: VectorClasses): Uint16Array {
  const table = new Uint16Array(PORT_SLOTS * 65_536);
  for (const [protocol, slot] of PORT_SLOT) {
    const always = emptyVector();
    const spans: Span<number>[] = [];
    for (const [box, candidate] of boxes.entries()) {
      if (!acceptsProtocol(candidate, protocol)) continue;
      if (candidate.to.ports === undefined) addBox(always, box);
      for (const { first, last } of candidate.to.ports ?? []) spans.push({ box, first, last });
    }
    const { starts, classes: found } = sweep(spans, always, 65_535, (value) => value + 1, classes);
    for (const [index, start] of starts.entries()) {
      table.fill(found[index]!, slot * 65_536 + start, slot * 65_536 + (starts[index + 1] ?? 65_536));
    }
  }
  return table;
}

function compileProtocols(boxes: readonly Box[], classes: VectorClasses): Uint16Array {
  const table = new Uint16Array(256);
  for (let protocol = 0; protocol < 256; protocol += 1) {
    const vector = boxesWhere(boxes, (box) => box.to.ports === undefined && acceptsProtocol(box, protocol));
    table[protocol] = classes.classOf(vector);
  }
  return table;
}
