import type { Address } from '../value/address.ts';
import type { Prefix } from '../value/cidr.ts';
import { cutCommand, isGlob } from '../value/name.ts';
import type { Box, From } from './policy.ts';
import { mergePrefixes } from '../value/prefix-set.ts';

/** Values of a box, a flow or another box by dimension, as the index compares them. */
export type Probe = Partial<
  Record<keyof From | 'port' | 'protocol' | 'socket', readonly (string | number)[]>
> & {
  /** A block of addresses all of which must be in a candidate's list, when it has one. Asked for only when needed. */
  block(): Prefix;
};

/** A dimension whose values no more boxes than this share is rare enough: prefixes, which are many, are not counted. */
const RARE = 8;

/**
 * Finds the few of many boxes that can match. Each box is filed in one dimension only, the one whose values are the
 * rarest, under each of its values there; what has no such dimension (globs, ranges, nothing named) is always found.
 */
export class BoxIndex {
  readonly #always: number[] = [];
  readonly #values = new Map<string, Map<string | number, number[]>>();
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
      for (const value of probe[dimension as keyof From] ?? []) {
        const indices = byValue.get(value);
        if (indices) found.push(...indices);
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
      if (indices) found.push(...indices);
    }
  }

  #file({ dimension, values, prefixes }: Filing, index: number): void {
    for (const value of values) append(this.#values, dimension, value, index);
    for (const prefix of prefixes)
      append(this.#blocks, (prefix.family << 8) | prefix.length, prefix.value, index);
  }
}

/** The block of one address, as a probe. */
export function blockOf({ family, value }: Address): Prefix {
  return { family, value, length: family === 4 ? 32 : 128 };
}

interface Filing {
  dimension: string;
  values: readonly (string | number)[];
  prefixes: readonly Prefix[];
  /** The values as keys of one table for all dimensions. */
  keys: string[];
}

function filingsOf({ from, to }: Box): Filing[] {
  const filings: Filing[] = [];
  const file = (dimension: string, values: readonly (string | number)[]) =>
    filings.push({ dimension, values, prefixes: [], keys: values.map((value) => `${dimension} ${value}`) });
  for (const [dimension, values] of Object.entries(from)) {
    const texts = values as readonly (string | number)[];
    if (texts.some((text) => typeof text === 'string' && isGlob(text))) continue;
    file(dimension, dimension === 'command' ? texts.map((text) => cutCommand(String(text))) : texts);
  }
  if (to.ports?.every((range) => range.first === range.last)) {
    file(
      'port',
      to.ports.map((range) => range.first),
    );
  }
  if (to.protocols) file('protocol', to.protocols);
  if (to.sockets) file('socket', to.sockets);
  return filings;
}

function blockFilingsOf({ to }: Box): Filing[] {
  if (!to.prefixes) return [];
  const prefixes = mergePrefixes(to.prefixes);
  const keys = prefixes.map(({ family, value, length }) => `${family} ${value} ${length}`);
  return [{ dimension: 'block', values: [], prefixes, keys }];
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
