import type { Address } from '../value/address.ts';
import type { Prefix } from '../value/cidr.ts';
import { isNameGlob } from '../value/host-name.ts';
import { isGlob } from '../value/name.ts';
import { comparedText, FROM, FROM_DIMENSIONS, isTextDimension } from './dimension.ts';
import type { Box, From, To } from './policy.ts';
import { mergePrefixes } from '../value/prefix-set.ts';

/** A dimension by whose values boxes are filed. Prefixes are filed as blocks; a deny for hosts has no value that a flow must have. */
export type FiledDimension = Exclude<keyof From, 'host'> | Exclude<keyof To, 'prefixes' | 'keep'>;

/** What the index asks of a flow or of another box, each only when it is needed. */
export interface Probe {
  /**
   * The values in a dimension, as the index compares them. A box that lists none of them there can't match.
   */
  values(dimension: FiledDimension): readonly (string | number)[];
  /** A block of addresses all of which must be in a candidate's list, when it has one. */
  block(): Prefix;
}

/**
 * A dimension whose values no more boxes than this share is rare enough: prefixes, which are many, are not
 * counted.
 */
const RARE = 8;

/**
 * Finds the few of many boxes that can match. Each box is filed in one dimension only, the one whose values
 * are the rarest, under each of its values there; what has no such dimension (globs, ranges, nothing named)
 * is always found.
 */
export class BoxIndex {
  readonly #always: number[] = [];
  readonly #values = new Map<FiledDimension, Map<string | number, number[]>>();
  readonly #blocks = new Map<number, Map<bigint, number[]>>();

  constructor(boxes: readonly Box[]) {
    const rarest = rarestOf(boxes.map(filingsOf));
    const common = boxes.map((box, index) => (rarest[index]!.weight > RARE ? blockFilingsOf(box) : []));
    const blocks = rarestOf(common);
    for (const index of boxes.keys()) {
      const best = blocks[index]!.weight < rarest[index]!.weight ? blocks[index]! : rarest[index]!;
      if (best.filing) this.#file(best.filing, index);
      else this.#always.push(index);
    }
  }

  /** The indices of the boxes that can match, in order; every box that matches is among them. */
  candidates(probe: Probe): number[] {
    const found = [...this.#always];
    for (const [dimension, byValue] of this.#values) {
      for (const value of probe.values(dimension)) {
        const indices = byValue.get(value);
        for (const index of indices ?? []) found.push(index);
      }
    }
    if (this.#blocks.size > 0) this.#candidatesOf(probe.block(), found);
    found.sort((a, b) => a - b);
    return found.filter((index, at) => index !== found[at - 1]);
  }

  #candidatesOf(block: Prefix, found: number[]): void {
    for (const [key, byValue] of this.#blocks) {
      const family = key >> 8;
      const length = key & 255;
      if (family !== block.family || length > block.length) continue;
      const host = BigInt((family === 4 ? 32 : 128) - length);
      const indices = byValue.get((block.value >> host) << host);
      for (const index of indices ?? []) found.push(index);
    }
  }

  #file(filing: Filing, index: number): void {
    if ('dimension' in filing) {
      for (const value of filing.values) append(this.#values, filing.dimension, value, index);
      return;
    }
    for (const { family, length, value } of filing.prefixes)
      append(this.#blocks, (family << 8) | length, value, index);
  }
}

/** The block of one address, as a probe. */
export function blockOf({ family, value }: Address): Prefix {
  return { family, value, length: family === 4 ? 32 : 128 };
}

type Filing = (
  | { dimension: FiledDimension; values: readonly (string | number)[] }
  | { prefixes: readonly Prefix[] }
) & {
  /** The values as keys of one table for all dimensions. */
  keys: string[];
};

type FiledToDimension = Exclude<FiledDimension, keyof From>;

/** The values of `to` by which a box can be filed; undefined where it names none, or a range. */
const FILED_OF_TO: Record<FiledToDimension, (to: To) => readonly (string | number)[] | undefined> = {
  ports: ({ ports }) =>
    ports?.every((range) => range.first === range.last) ? ports.map((range) => range.first) : undefined,
  protocols: ({ protocols }) => protocols,
  sockets: ({ sockets }) => sockets,
  names: ({ names }) => (names?.some(isNameGlob) ? undefined : names),
};
const FILED_TO_DIMENSIONS = Object.keys(FILED_OF_TO) as FiledToDimension[];

function filingsOf({ from, to }: Box): Filing[] {
  const filings: Filing[] = [];
  const file = (dimension: FiledDimension, values: readonly (string | number)[] | undefined) => {
    if (values) filings.push({ dimension, values, keys: values.map((value) => `${dimension} ${value}`) });
  };
  for (const dimension of FROM_DIMENSIONS) {
    if (dimension === 'host') continue;
    if (isTextDimension(dimension)) {
      const { kind } = FROM[dimension];
      const texts = from[dimension];
      if (!texts?.some(isGlob))
        file(
          dimension,
          texts?.map((text) => comparedText(kind, text)),
        );
    } else file(dimension, from[dimension]);
  }
  for (const dimension of FILED_TO_DIMENSIONS) file(dimension, FILED_OF_TO[dimension](to));
  return filings;
}

function blockFilingsOf({ to }: Box): Filing[] {
  if (!to.prefixes) return [];
  const prefixes = mergePrefixes(to.prefixes);
  const keys = prefixes.map(({ family, value, length }) => `${family} ${value} ${length}`);
  return [{ prefixes, keys }];
}

/** For each box, of its ways to be filed the one whose most common value is the rarest. */
function rarestOf(boxes: readonly Filing[][]): { filing?: Filing; weight: number }[] {
  const counts = new Map<string, number>();
  for (const { keys } of boxes.flat()) {
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return boxes.map((choices) => {
    let best: { filing?: Filing; weight: number } = { weight: Infinity };
    for (const filing of choices) {
      const weight = filing.keys.reduce((most, key) => Math.max(most, counts.get(key)!), 0);
      if (weight < best.weight) best = { filing, weight };
    }
    return best;
  });
}

function append<K, V>(table: Map<K, Map<V, number[]>>, first: K, second: V, index: number): void {
  let inner = table.get(first);
  if (!inner) table.set(first, (inner = new Map()));
  const indices = inner.get(second);
  if (indices) indices.push(index);
  else inner.set(second, [index]);
}
