import type { Stretch } from './stretch.ts';

/** How SQL keeps a set of clock hours: each member is an expression over the names that it is given. */
export interface HourSet {
  /** The aggregate of the hours that times (microseconds) are in. */
  of(time: string): string;
  /** The same of two times of each row. */
  ofBoth(first: string, last: string): string;
  /** The aggregate of several sets, NULL for none. */
  union(sets: string, where?: string): string;
  size(set: string): string;
  /** The hours as a list of DOUBLE, in order. */
  list(set: string): string;
}

/** Bits of a set: a year of recorded hours. More would take more memory than the hours themselves. */
const MOST_BITS = 8784;

/** The way of keeping hours of these stretches that costs least; each hour is told apart from others. */
export function hourSet(hour: number, stretches: readonly Stretch[]): HourSet {
  const bits = stretches.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  return bits <= MOST_BITS ? bitSet(hour, stretches, bits) : listSet(hour);
}

/** As bits, those of a stretch behind those of the one before: hours between them take no room. */
function bitSet(hour: number, stretches: readonly Stretch[], bits: number): HourSet {
  let slot = 0;
  const shifts = stretches.map(({ from, to }) => {
    const shift = from - slot;
    slot += to - from + 1;
    return { shift, to, end: slot };
  });
  const shiftAt = (time: string): string =>
    firstOf(shifts.map(({ shift, to }) => [`${time} < ${(to + 1) * hour}`, shift]));
  const shiftOf = firstOf(shifts.map(({ end, shift }) => [`slot < ${end}`, shift]));
  const of = (time: string): string =>
    `bitstring_agg(((${time}) // ${hour} - ${shiftAt(`(${time})`)})::INTEGER, 0, ${bits - 1})`;
  return {
    of,
    ofBoth: (first, last) => `${of(first)} | ${of(last)}`,
    union: (sets, where) => `bit_or(${sets})${filter(where)}`,
    size: (set) => `bit_count(${set})`,
    list: (set) => `list_transform(
      list_filter(range(bit_length(${set})), lambda slot: get_bit(${set}, slot::INTEGER) = 1),
      lambda slot: (slot + ${shiftOf})::DOUBLE)`,
  };
}

/** The number of the first condition that holds; the last one holds always. */
function firstOf(cases: readonly [string, number][]): string {
  if (cases.length === 1) return String(cases[0]![1]);
  return `CASE ${cases.map(([condition, number]) => `WHEN ${condition} THEN ${number}`).join(' ')} END`;
}

/** As lists: seven times as slow, and no larger for hours without events. */
function listSet(hour: number): HourSet {
  const of = (time: string): string => `list(DISTINCT ((${time}) // ${hour})::INTEGER)`;
  return {
    of,
    ofBoth: (first, last) => `list_distinct(list_concat(${of(first)}, ${of(last)}))`,
    union: (sets, where) => `list_distinct(flatten(list(${sets})${filter(where)}))`,
    size: (set) => `len(${set})`,
    list: (set) => `list_transform(list_sort(${set}), lambda hour: hour::DOUBLE)`,
  };
}

function filter(where: string | undefined): string {
  return where === undefined ? '' : ` FILTER (WHERE ${where})`;
}
