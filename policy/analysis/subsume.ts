import { BoxIndex, type FiledDimension, type Probe } from '../meaning/box-index.ts';
import { type Prefix, parsePrefix } from '../value/cidr.ts';
import { isForHostOnly } from '../meaning/evaluate.ts';
import { keepOf, reachOf } from '../meaning/known-name.ts';
import { coversNames } from '../value/host-name.ts';
import {
  ACCOUNT_DIMENSIONS,
  comparedText,
  DESTINATION_DIMENSIONS,
  type DestinationDimension,
  FROM,
  ID_DIMENSIONS,
  isTextDimension,
  TEXT_DIMENSIONS,
  matchesPattern,
  type TextDimension,
  type TextKind,
} from '../meaning/dimension.ts';
import type { Box, From, To } from '../meaning/policy.ts';
import type { PortRange } from '../value/port.ts';
import { coversPrefixes, mergePrefixes } from '../value/prefix-set.ts';
import { hasPorts } from '../value/protocol.ts';

const EVERYWHERE = [parsePrefix('0.0.0.0/0')!, parsePrefix('::/0')!];
/** What an empty list is taken for: a block that only lists that hold everything can cover. */
const NOWHERE: Prefix = EVERYWHERE[0]!;
const EVERY_PORT: PortRange[] = [{ first: 0, last: 65_535 }];

/**
 * Whether everything that `inner` matches, `outer` matches. Exact for two boxes; what only several boxes
 * together cover is not found.
 */
export function coversBox(outer: Box, inner: Box): boolean {
  if ((outer.until ?? Infinity) < (inner.until ?? Infinity)) return false;
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
  return {
    values: (dimension) => valuesOf(from, to, dimension).slice(0, 1),
    block: () => mergePrefixes(reachOf(to) ?? EVERYWHERE)[0] ?? NOWHERE,
  };
}

function valuesOf(from: From, to: To, dimension: FiledDimension): readonly (string | number)[] {
  switch (dimension) {
    case 'ports':
      return to.ports?.map((range) => range.first) ?? [];
    case 'protocols':
      return protocolsOf(to);
    case 'sockets':
      return to.sockets ?? [];
    case 'names':
      return to.names ?? [];
    default: {
      if (!isTextDimension(dimension)) return from[dimension] ?? [];
      const { kind } = FROM[dimension];
      return from[dimension]?.map((text) => comparedText(kind, text)) ?? [];
    }
  }
}

/** A rule for files of the host is for no process in a container: it covers only what is for none either. */
function coversPlace(outer: Box, inner: Box): boolean {
  return !isForHostOnly(outer) || isForHostOnly(inner);
}

function coversFrom(outer: From, inner: From): boolean {
  return (
    [...ID_DIMENSIONS, ...ACCOUNT_DIMENSIONS].every((dimension) =>
      coversList(outer[dimension], inner[dimension]),
    ) &&
    coversList(outer.host, inner.host) &&
    TEXT_DIMENSIONS.every((dimension) => coversTexts(dimension, outer[dimension], inner[dimension]))
  );
}

/** Of ids, or of names of users. Which id a name means is a fact of a host: neither list covers the other. */
function coversList(
  wide: readonly (number | string)[] | undefined,
  narrow: readonly (number | string)[] | undefined,
): boolean {
  return !wide || (narrow?.every((each) => wide.includes(each)) ?? false);
}

function coversTexts(
  dimension: TextDimension,
  wide: From[TextDimension],
  narrow: From[TextDimension],
): boolean {
  if (!wide) return true;
  const { kind, known } = FROM[dimension];
  // Where the text is always known, "any text" is everything; others may be unknown and match no list.
  if (!narrow) return known && wide.includes('*');
  return narrow.every((text) => wide.some((pattern) => coversText(kind, pattern, text)));
}

/** As the `*` of a narrower glob is a character that no wider glob can name, matching it as text is exact. */
function coversText(kind: TextKind, pattern: string, text: string): boolean {
  return matchesPattern(kind, comparedText(kind, pattern), comparedText(kind, text));
}

function coversTo({ to: outer }: Box, { to: inner }: Box): boolean {
  if (outer.sockets || inner.sockets) {
    return inner.sockets !== undefined && inner.sockets.every((kind) => outer.sockets?.includes(kind));
  }
  return DESTINATION_DIMENSIONS.every((dimension) => COVERS[dimension](outer, inner));
}

/** Whether the destinations of `inner` are in `outer`, as far as that names a dimension. */
const COVERS: Record<DestinationDimension, (outer: To, inner: To) => boolean> = {
  protocols: ({ protocols }, inner) =>
    !protocols || protocolsOf(inner).every((each) => protocols.includes(each)),
  ports: ({ ports }, inner) => !ports || (coversPorts(ports, inner) && protocolsOf(inner).every(hasPorts)),
  prefixes: (outer, inner) => coversReach(reachOf(outer), reachOf(inner)),
  names: (outer, inner) => !outer.names || coversNamesOf(outer, inner),
};

function coversReach(outer: readonly Prefix[] | undefined, inner: readonly Prefix[] | undefined): boolean {
  return outer === undefined || outer === inner || coversPrefixes(outer, inner ?? EVERYWHERE);
}

/** A destination without names matches addresses that have none. */
function coversNamesOf(outer: To, inner: To): boolean {
  const names = inner.names?.every((each) => outer.names!.some((pattern) => coversNames(pattern, each)));
  return names === true && keepOf(inner) <= keepOf(outer);
}

function coversPorts(ports: readonly PortRange[], inner: To): boolean {
  const joined = joinRanges(ports);
  return (inner.ports ?? EVERY_PORT).every((range) =>
    joined.some(({ first, last }) => first <= range.first && range.last <= last),
  );
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
