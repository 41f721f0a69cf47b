import { GROUPINGS, type Grouping, ORDERS, type Order } from './top-table.ts';

const ESCAPE = '\u001b';
const ENTER = '\r';
const DELETE = '\u007f';
const BACKSPACE = '\b';
const INTERRUPT = '\u0003';
/** What of a filter is kept, characters. */
const LONGEST_FILTER = 100;

/** A key that terminals send as several characters, or one character. */
// oxlint-disable-next-line no-control-regex
const KEY = /\u001b(?:\[|O)[0-9;]*[A-Za-z~]|[^]/gu;

/** By how many rows keys move: lines, or pages as `page`. */
const MOVES: Readonly<Record<string, number | 'page' | '-page' | 'first' | 'last'>> = {
  j: 1,
  k: -1,
  [`${ESCAPE}[B`]: 1,
  [`${ESCAPE}[A`]: -1,
  [`${ESCAPE}[6~`]: 'page',
  [`${ESCAPE}[5~`]: '-page',
  [`${ESCAPE}[H`]: 'first',
  [`${ESCAPE}[F`]: 'last',
};

/** The keys of a text that a terminal has sent. */
export function keysIn(text: string): string[] {
  return text.match(KEY) ?? [];
}

/** What keys have chosen. */
interface Chosen {
  grouping: Grouping;
  order: Order;
  filter: string;
  /** The filter is being typed. */
  typing: boolean;
  paused: boolean;
  /** The first row that is shown. */
  from: number;
}

/** What the keys of `top` do. */
export class TopKeys {
  readonly state: Chosen = {
    grouping: 'subject',
    order: 'rate',
    filter: '',
    typing: false,
    paused: false,
    from: 0,
  };

  /** `rows`: how many there are; `page`: how many are shown. */
  press(key: string, { page, rows }: { page: number; rows: number }): 'quit' | void {
    const { state } = this;
    if (key === INTERRUPT) return 'quit';
    if (state.typing) return this.#type(key);
    const move = MOVES[key];
    if (move !== undefined) {
      const to = { page: state.from + page, '-page': state.from - page, first: 0, last: rows };
      const from = typeof move === 'number' ? state.from + move : to[move];
      state.from = Math.max(0, Math.min(from, rows - page));
      return;
    }
    return this.#choose(key);
  }

  #choose(key: string): 'quit' | void {
    const { state } = this;
    switch (key) {
      case 'q':
        return 'quit';
      case 'v':
      case '\t':
        state.grouping = after(GROUPINGS, state.grouping);
        state.from = 0;
        return;
      case 's':
        state.order = after(ORDERS, state.order);
        state.from = 0;
        return;
      case 'p':
      case ' ':
        state.paused = !state.paused;
        return;
      case '/':
        state.typing = true;
        return;
      case ESCAPE:
        state.filter = '';
        state.from = 0;
        return;
      default:
    }
  }

  #type(key: string): void {
    const { state } = this;
    state.from = 0;
    if (key === ENTER || key === '\n') state.typing = false;
    else if (key === ESCAPE) {
      state.typing = false;
      state.filter = '';
    } else if (key === DELETE || key === BACKSPACE) state.filter = state.filter.slice(0, -1);
    else if (!/^\p{Cc}/u.test(key) && state.filter.length < LONGEST_FILTER) state.filter += key;
  }
}

function after<T>(list: readonly T[], item: T): T {
  return list[(list.indexOf(item) + 1) % list.length]!;
}
