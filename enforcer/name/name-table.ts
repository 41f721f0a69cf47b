import { MAX_KEEPS, MAX_NAME_CLASSES, MAX_PATTERNS } from '../../bpf/wire.ts';
import { BouhekiError } from '../../error/error.ts';
import { keepOf } from '../../policy/meaning/known-name.ts';
import type { Box, To } from '../../policy/meaning/policy.ts';
import { ANY_NAME } from '../../policy/value/host-name.ts';
import {
  addBox,
  boxesWhere,
  emptyVector,
  intersect,
  VectorClasses,
  type BoxVector,
} from '../vector/box-vector.ts';

/** What the kernel side has to know of the names in a policy. */
export interface NameTables {
  /** The boxes that decide whatever names an address is known by. */
  nameless: BoxVector;
  /** How long names are kept after the end of their TTL, ascending: seconds, or Infinity. */
  keeps: readonly number[];
  /** By the number of `keeps` that have passed: the other boxes whose time has not. */
  kept: readonly BoxVector[];
  /** The boxes that a name opens, by its class. 0 is the class of names that open none. */
  classes: readonly BoxVector[];
  /** By class: the longest time for which one of these boxes keeps a name, as in `keeps`. */
  longest: readonly number[];
  /** The class of the names for which this pattern is the longest one that matches. */
  patterns: ReadonlyMap<string, number>;
}

/** Compiles the names of all boxes. Throws a BouhekiError when there are more than the kernel side takes. */
export function compileNames(boxes: readonly Box[]): NameTables {
  const named = boxes.map(({ to }) => (asksForNames(to) ? to.names : []));
  const keeps = [...new Set(boxes.flatMap(({ to }) => (asksForNames(to) ? keepOf(to) : [])))].sort((a, b) =>
    a < b ? -1 : 1,
  );
  const patterns = new Map<string, number[]>();
  for (const [box, names] of named.entries()) {
    for (const name of names) {
      const listed = patterns.get(name);
      if (listed) listed.push(box);
      else patterns.set(name, [box]);
    }
  }
  limit('names', patterns.size, MAX_PATTERNS / 2);
  limit('different times for `keep`', keeps.length, MAX_KEEPS);
  const classes = new VectorClasses();
  classes.classOf(emptyVector());
  const classOf = new Map(
    [...patterns.keys()].map((each) => [each, classes.classOf(opened(each, patterns))]),
  );
  limit('different groups of names', classes.vectors.length, MAX_NAME_CLASSES);
  const kept = keeps.map((keep) => boxesWhere(boxes, ({ to }) => asksForNames(to) && keepOf(to) >= keep));
  return {
    nameless: boxesWhere(boxes, ({ to }) => !asksForNames(to)),
    keeps,
    kept,
    classes: classes.vectors,
    longest: classes.vectors.map((opening) => keeps.findLast((_, at) => intersect(opening, kept[at]!)) ?? 0),
    patterns: classOf,
  };
}

/** The class of a name: that of the longest pattern which matches it. */
export function nameClass({ patterns }: Pick<NameTables, 'patterns'>, name: string): number {
  for (const pattern of patternsOf(name)) {
    const found = patterns.get(pattern);
    if (found !== undefined) return found;
  }
  return 0;
}

function asksForNames(to: To): to is To & { names: string[] } {
  return to.names !== undefined && to.sockets === undefined;
}

/** The boxes of all patterns that match whatever one pattern does. */
function opened(pattern: string, patterns: ReadonlyMap<string, readonly number[]>): BoxVector {
  const vector = emptyVector();
  for (const wider of patternsOf(pattern)) {
    for (const box of patterns.get(wider) ?? []) addBox(vector, box);
  }
  return vector;
}

/** Every pattern that covers a name or a pattern, from the narrowest to the widest. */
function* patternsOf(text: string): Generator<string> {
  yield text;
  if (text === ANY_NAME) return;
  // Of `*.x` itself the first dot is the star's: what is wider begins behind it.
  const from = text.startsWith('*.') ? text.indexOf('.') + 1 : 0;
  for (let dot = text.indexOf('.', from); dot >= 0; dot = text.indexOf('.', dot + 1))
    yield `*${text.slice(dot)}`;
  yield ANY_NAME;
}

function limit(what: string, found: number, most: number): void {
  if (found <= most) return;
  throw new BouhekiError('policy', `the policy has ${found} ${what}; the kernel side takes ${most}`, {
    remedy: 'merge rules, or use wildcards such as "*.example.com"',
  });
}
