import type { Address } from './address.ts';
import type { Prefix } from './cidr.ts';
import { cutCommand, isGlob } from './name.ts';
import type { Box, From } from './policy.ts';
import { mergePrefixes } from './prefix-set.ts';

/** Values of a box, a flow or another box by dimension, as the index compares them. */
export type Probe = Partial<Record<keyof From | 'port' | 'protocol', readonly (string | number)[]>> & {
  /** A block of addresses all of which must be in a candidate's list, when it has one. */
  block?: Prefix;
};

/**
 * Finds the few of many boxes that can match. Each box is filed in one dimension only, the one whose values are the
 * rarest, under each of its values there; what has no such dimension (globs, ranges, nothing named) is always found.
 */
export class BoxIndex {
  readonly #always: number[] = [];
  readonly #values = new Map<string, Map<string | number, number[]>>();
  readonly #blocks = new Map<number, Map<bigint, number[]>>();

  constructor(boxes: readonly Box[]) {
    const filings = boxes.map(filingsOf);
    const counts = new Map<string, number>();
    for (const keys of filings.flat()) {
      for (const key of keys.keys) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    for (const [index, choices] of filings.entries()) {
      let best: Filing | undefined;
      let bestWeight = Infinity;
      for (const choice of choices) {
        const weight = choice.keys.reduce((most, key) => Math.max(most, counts.get(key)!), 0);
        if (weight < bestWeight) [best, bestWeight] = [choice, weight];
      }
      if (best) this.#file(best, index);
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
    if (probe.block) this.#candidatesOf(probe.block, found);
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
  if (to.prefixes) {
    const prefixes = mergePrefixes(to.prefixes);
    const keys = prefixes.map(({ family, value, length }) => `${family} ${value} ${length}`);
    filings.push({ dimension: 'block', values: [], prefixes, keys });
  }
  return filings;
}

function append<K, V>(table: Map<K, Map<V, number[]>>, first: K, second: V, index: number): void {
  let inner = table.get(first);
  if (!inner) table.set(first, (inner = new Map()));
  const indices = inner.get(second);
  if (indices) indices.push(index);
  else inner.set(second, [index]);
}
