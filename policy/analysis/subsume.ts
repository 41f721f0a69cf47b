import { BoxIndex, type Probe } from '../meaning/box-index.ts';
import { type Prefix, parsePrefix } from '../value/cidr.ts';
import { isForHostOnly } from '../meaning/evaluate.ts';
import { cutCommand, matchesGlob } from '../value/name.ts';
import type { Box, From, To } from '../meaning/policy.ts';
import type { PortRange } from '../value/port.ts';
import { coversPrefixes, mergePrefixes } from '../value/prefix-set.ts';
import { hasPorts } from '../value/protocol.ts';

const EVERYWHERE = [parsePrefix('0.0.0.0/0')!, parsePrefix('::/0')!];
/** What an empty list is taken for: a block that only lists that hold everything can cover. */
const NOWHERE: Prefix = EVERYWHERE[0]!;
const EVERY_PORT: PortRange[] = [{ first: 0, last: 65_535 }];

/**
 * Whether everything that `inner` matches, `outer` matches. Exact for two boxes; what only several boxes together
 * cover is not found.
 */
export function coversBox(outer: Box, inner: Box): boolean {
  return coversPlace(outer, inner) && coversFrom(outer.from, inner.from) && coversTo(outer, inner);
}

/** Finds, for one box after the other, one of `boxes` that covers it. */
export class Covers {
  readonly #boxes: readonly Box[];
  readonly #index: BoxIndex;

  constructor(boxes: readonly Box[]) {
    this.#boxes = boxes;
    this.#index = new BoxIndex(boxes);
  }

  /** The indices of the boxes that cover `inner`, in order, `inner` itself included if it is one of them. */
  *of(inner: Box): Generator<number> {
    if (this.#boxes.length === 0) return;
    for (const index of this.#index.candidates(probeOf(inner))) {
      if (coversBox(this.#boxes[index]!, inner)) yield index;
    }
  }
}

/** A box that covers `inner` and names a dimension covers the first value that `inner` names there. */
function probeOf({ from, to }: Box): Probe {
  const probe: Probe = { block: () => mergePrefixes(to.prefixes ?? EVERYWHERE)[0] ?? NOWHERE };
  for (const [dimension, values] of Object.entries(from) as [keyof From, readonly (string | number)[]][]) {
    probe[dimension] = dimension === 'command' ? [cutCommand(String(values[0]))] : values.slice(0, 1);
  }
  if (to.sockets) probe.socket = to.sockets.slice(0, 1);
  if (to.ports) probe.port = to.ports.slice(0, 1).map((range) => range.first);
  probe.protocol = protocolsOf(to).slice(0, 1);
  return probe;
}

/** A rule for files of the host is for no process in a container: it covers only what is for none either. */
function coversPlace(outer: Box, inner: Box): boolean {
  return !isForHostOnly(outer) || isForHostOnly(inner);
}

function coversFrom(outer: From, inner: From): boolean {
  return (Object.keys(outer) as (keyof From)[]).every((dimension) => {
    const wide = outer[dimension];
    const narrow = inner[dimension];
    if (!wide) return true;
    // A command is always known, so "any name" is everything; other names may be unknown and match no list.
    if (!narrow) return dimension === 'command' && outer.command!.includes('*');
    return narrow.every((value) => wide.some((pattern) => coversValue(dimension, pattern, value)));
  });
}

/** As the `*` of a narrower glob is a character that no wider glob can name, matching it as text is exact. */
function coversValue(dimension: keyof From, pattern: string | number, value: string | number): boolean {
  if (pattern === value) return true;
  if (typeof pattern === 'number' || typeof value === 'number') return false;
  if (dimension === 'exe' || dimension === 'script') return false;
  if (dimension !== 'command') return matchesGlob(pattern, value);
  return matchesGlob(cutPattern(pattern), cutPattern(value));
}

function cutPattern(command: string): string {
  if (!command.endsWith('*')) return cutCommand(command);
  const prefix = command.slice(0, -1);
  return Buffer.byteLength(prefix) >= 15 ? cutCommand(prefix) : command;
}

function coversTo({ to: outer }: Box, { to: inner }: Box): boolean {
  if (outer.sockets || inner.sockets) {
    return inner.sockets !== undefined && inner.sockets.every((kind) => outer.sockets?.includes(kind));
  }
  const protocols = protocolsOf(inner);
  if (outer.protocols && !protocols.every((each) => outer.protocols!.includes(each))) return false;
  if (outer.ports) {
    const joined = joinRanges(outer.ports);
    const covered = (inner.ports ?? EVERY_PORT).every((range) =>
      joined.some(({ first, last }) => first <= range.first && range.last <= last),
    );
    if (!covered || !protocols.every(hasPorts)) return false;
  }
  return !outer.prefixes || coversPrefixes(outer.prefixes, inner.prefixes ?? EVERYWHERE);
}

/** The protocols that a destination can match: with ports, only those that have some. */
function protocolsOf({ ports, protocols }: To): number[] {
  const named = protocols ?? Array.from({ length: 256 }, (_, protocol) => protocol);
  return ports ? named.filter(hasPorts) : named;
}

function joinRanges(ranges: readonly PortRange[]): PortRange[] {
  const joined: PortRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const last = joined.at(-1);
    if (last && range.first <= last.last + 1) last.last = Math.max(last.last, range.last);
    else joined.push({ ...range });
  }
  return joined;
}
