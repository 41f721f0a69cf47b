import type { Followed } from '../../profiler/follow/follow.ts';
import { observedDestination } from '../../generator/destination/destination.ts';
import { whoText } from './place.ts';

/** What rows stand for. */
export const GROUPINGS = ['subject', 'destination', 'rule'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** By what rows are sorted, the most first; `name` by the alphabet. */
export const ORDERS = ['rate', 'count', 'denied', 'noted', 'new', 'last', 'name'] as const;
export type Order = (typeof ORDERS)[number];

/** Seconds over which a rate is taken. */
const RATE_OVER = 10;
const MINUTES = 60;
/** Rows of a grouping; those without traffic for the longest time go. */
const MOST_ROWS = 10_000;

/** One subject, destination or rule. Numbers of connections since `top` was started. */
export interface TopRow {
  name: string;
  /** A second, over the last ten. */
  rate: number;
  count: number;
  denied: number;
  /** Denied by a policy in monitor mode, which stopped nothing. */
  noted: number;
  /** Connections of subjects to where they had not been seen, in the last hour. */
  new: number;
  /** Seconds since the last one. */
  idle: number;
}

interface Counted {
  count: number;
  denied: number;
  noted: number;
  rate: Window;
  new: Window;
  last: number;
}

/** What is followed, counted by subject, destination and rule. Seconds of a clock that nobody sets. */
export class TopTable {
  readonly #groups: Record<Grouping, Map<string, Counted>> = {
    subject: new Map(),
    destination: new Map(),
    rule: new Map(),
  };
  readonly #all = counted();
  readonly #began: number;
  /** Connections; those among them that were denied, and those that would have been in block mode. */
  readonly total = { count: 0, denied: 0, noted: 0 };

  constructor(now: number) {
    this.#began = now;
  }

  add(event: Followed, now: number): void {
    addCount(this.total, event);
    addTo(this.#all, event, now);
    for (const grouping of GROUPINGS) addTo(this.#rowOf(grouping, nameIn(grouping, event)), event, now);
  }

  /** Counts what was new before `top` was started, as so many seconds ago. */
  addNew(
    event: Pick<Followed, 'subject' | 'user' | 'destination' | 'names' | 'rule'>,
    ago: number,
    now: number,
  ): void {
    const minute = (now - ago) / 60;
    this.#all.new.add(1, minute);
    for (const grouping of ['subject', 'destination'] as const) {
      this.#rowOf(grouping, nameIn(grouping, event)).new.add(1, minute);
    }
  }

  /** Connections a second, and what was new in the last hour. */
  summary(now: number): { rate: number; new: number } {
    return { rate: this.#all.rate.sum(now) / this.#secondsAt(now), new: this.#all.new.sum(now / 60) };
  }

  /** All rows of a grouping. */
  rows(grouping: Grouping, now: number): TopRow[] {
    const over = this.#secondsAt(now);
    return Array.from(this.#groups[grouping], ([name, row]) => ({
      name,
      rate: row.rate.sum(now) / over,
      count: row.count,
      denied: row.denied,
      noted: row.noted,
      new: row.new.sum(now / 60),
      idle: row.count === 0 ? Number.POSITIVE_INFINITY : Math.max(0, now - row.last),
    }));
  }

  /** Over which a rate is taken: it does not begin low. */
  #secondsAt(now: number): number {
    return Math.min(RATE_OVER, Math.max(1, now - this.#began));
  }

  #rowOf(grouping: Grouping, name: string): Counted {
    const group = this.#groups[grouping];
    const known = group.get(name);
    // Those with traffic come to stand last.
    if (known !== undefined) group.delete(name);
    else if (group.size >= MOST_ROWS) group.delete(group.keys().next().value!);
    const row = known ?? counted();
    group.set(name, row);
    return row;
  }
}

function counted(): Counted {
  return { count: 0, denied: 0, noted: 0, rate: new Window(RATE_OVER), new: new Window(MINUTES), last: 0 };
}

function addTo(row: Counted, event: Followed, now: number): void {
  const { count, isNew } = event;
  addCount(row, event);
  row.rate.add(count, now);
  if (isNew) row.new.add(1, now / 60);
  row.last = now;
}

function addCount(
  to: Pick<Counted, 'count' | 'denied' | 'noted'>,
  { count, verdict }: Pick<Followed, 'count' | 'verdict'>,
): void {
  to.count += count;
  if (verdict === 'deny') to.denied += count;
  if (verdict === 'noted') to.noted += count;
}

function nameIn(
  grouping: Grouping,
  event: Pick<Followed, 'subject' | 'user' | 'destination' | 'names' | 'rule'>,
): string {
  switch (grouping) {
    case 'subject':
      return whoText(event, true);
    case 'destination': {
      // All addresses of a name together.
      const [name] = event.names;
      return observedDestination({ ...event.destination, ...(name !== undefined && { name }) });
    }
    case 'rule':
      return event.rule ?? '(no rule decided)';
  }
}

/** The rows whose name holds `filter`, in upper or lower case, in order. */
export function pickRows(rows: readonly TopRow[], order: Order, filter: string): TopRow[] {
  const wanted = filter.toLowerCase();
  return rows
    .filter(({ name }) => name.toLowerCase().includes(wanted))
    .sort((a, b) => compareBy(order, a, b) || b.count - a.count || (a.name < b.name ? -1 : 1));
}

function compareBy(order: Order, a: TopRow, b: TopRow): number {
  if (order === 'name') return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  if (order === 'last') return a.idle === b.idle ? 0 : a.idle - b.idle;
  return b[order] - a[order];
}

/** Counts by the last so many steps of time, such as seconds. */
class Window {
  readonly #counts: number[];
  /** The latest step that was counted. */
  #latest = Number.NEGATIVE_INFINITY;

  constructor(steps: number) {
    this.#counts = Array.from({ length: steps }, () => 0);
  }

  add(count: number, step: number): void {
    const at = Math.floor(step);
    this.#moveTo(at);
    // What is older than the window counts no more.
    if (this.#latest - at < this.#counts.length) this.#counts[this.#slot(at)]! += count;
  }

  sum(step: number): number {
    this.#moveTo(Math.floor(step));
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  #moveTo(step: number): void {
    if (step <= this.#latest) return;
    const { length } = this.#counts;
    const from = Math.max(this.#latest + 1, step - length + 1);
    for (let at = from; at <= step; at += 1) this.#counts[this.#slot(at)] = 0;
    this.#latest = step;
  }

  #slot(step: number): number {
    const { length } = this.#counts;
    return ((step % length) + length) % length;
  }
}
