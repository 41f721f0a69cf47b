import { visible } from '../../error/visible.ts';
import { cutToWidth, displayWidth } from '../../format/display-width.ts';
import { formatDuration } from '../../format/duration.ts';
import { formatNumber } from '../../format/number.ts';
import { paint } from '../../output/terminal.ts';
import { formatTable } from '../terminal/table.ts';
import type { Grouping, Order, TopRow } from './top-table.ts';

/** What `top` shows at a moment. */
export interface TopState {
  db: string;
  grouping: Grouping;
  order: Order;
  /** What names must hold; `typing` while it is typed. */
  filter: string;
  typing: boolean;
  paused: boolean;
  /** All that fit the filter, sorted. */
  rows: readonly TopRow[];
  /** The first of them that is shown. */
  from: number;
  rate: number;
  count: number;
  denied: number;
  /** Denied by a policy in monitor mode, which stopped nothing. */
  noted: number;
  new: number;
  /** Events that the recorder has lost, since it was started. */
  lost: number;
  /** Connections that came too fast to be taken here. */
  missed: number;
  /** Subjects by how well they are known; undefined where the recorder does not look. */
  readiness: { stable: number; all: number } | undefined;
}

/** A terminal, columns and lines. */
export interface ScreenSize {
  width: number;
  height: number;
  colour: boolean;
}

/** Lines that are no rows: two of numbers, an empty one, the head of the table, an empty one, the keys. */
const FRAME = 6;
const NAMES: Readonly<Record<Grouping, string>> = {
  subject: 'SUBJECT',
  destination: 'DESTINATION',
  rule: 'RULE',
};
/** What `s` sorts by, where people call it otherwise. */
const ORDER_NAMES: Readonly<Partial<Record<Order, string>>> = { noted: 'would deny' };

/** How many rows fit. */
export function rowsIn(height: number): number {
  return Math.max(1, height - FRAME);
}

/** The lines of the screen: none wider than it, and no more than it has. */
export function topScreen(state: TopState, { colour, height, width }: ScreenSize): string[] {
  const rows = state.rows.slice(state.from, state.from + rowsIn(height));
  const columns = columnsOf(state);
  const heads = columns.map(({ head }) => head);
  const table = formatTable(
    heads,
    rows.map((row) => columns.map(({ cell }) => cell(row))),
    {
      view: { colour, width },
      // These go where a terminal has no room for them.
      optional: ['LAST', 'COUNT'].map((head) => heads.indexOf(head)),
      names: [columns.length - 1],
    },
  );
  const empty =
    state.filter === '' ? 'Nothing has connected yet.' : 'Nothing fits the filter: Esc clears it.';
  const lines = [
    titleOf(state, width, colour),
    numbersOf(state, width, colour),
    '',
    ...table,
    ...(rows.length === 0 ? [cutToWidth(empty, width)] : []),
  ].slice(0, Math.max(1, height - 2));
  while (lines.length < height - 2) lines.push('');
  return [...lines, '', keysOf(state, rows.length, width)].slice(0, height);
}

/** WOULD DENY is there once a policy in monitor mode has denied something. */
function columnsOf({ grouping, noted }: TopState): { head: string; cell: (row: TopRow) => string }[] {
  return [
    { head: 'RATE/S', cell: ({ rate }) => rateText(rate) },
    { head: 'COUNT', cell: ({ count }) => formatNumber(count) },
    { head: 'DENIED', cell: ({ denied }) => formatNumber(denied) },
    ...(noted > 0 ? [{ head: 'WOULD DENY', cell: (row: TopRow) => formatNumber(row.noted) }] : []),
    { head: 'NEW 1H', cell: (row) => formatNumber(row.new) },
    { head: 'LAST', cell: ({ idle }) => (Number.isFinite(idle) ? formatDuration(idle) : '-') },
    { head: NAMES[grouping], cell: ({ name }) => name },
  ];
}

/** With one digit behind the point where there are few, so that those of rows stand below one another. */
function rateText(rate: number): string {
  return rate < 1000 ? rate.toFixed(1) : formatNumber(Math.round(rate));
}

function titleOf({ db, paused }: TopState, width: number, colour: boolean): string {
  const state = paused ? 'paused' : '';
  const title = cutToWidth(`bouheki top  ${visible(db)}`, Math.max(1, width - state.length - 2));
  const gap = ' '.repeat(Math.max(2, width - displayWidth(title) - state.length));
  const name = paint(colour, 'bold', title);
  return state === '' ? name : `${name}${gap}${paint(colour, 'yellow', state)}`;
}

/** The numbers that fit, the more important ones first. */
function numbersOf(state: TopState, width: number, colour: boolean): string {
  const { count, denied, lost, missed, noted, rate, readiness } = state;
  const all: [text: string, bad: boolean][] = [
    [`${rateText(rate)}/s`, false],
    [`${formatNumber(lost)} lost`, lost > 0],
    [`${formatNumber(state.new)} new in 1h`, false],
    [`${formatNumber(denied)} denied`, denied > 0],
    ...(noted > 0 ? [[`${formatNumber(noted)} would be denied`, false] as [string, boolean]] : []),
    [`${formatNumber(missed)} not shown`, missed > 0],
    [`${formatNumber(count)} connections`, false],
  ];
  if (readiness !== undefined) all.push([`${readiness.stable} of ${readiness.all} subjects stable`, false]);
  let line = '';
  let room = width;
  for (const [text, bad] of all) {
    const gap = line === '' ? '' : '  ';
    room -= gap.length + text.length;
    if (room < 0) break;
    line += gap + paint(colour, bad ? 'red' : undefined, text);
  }
  return line;
}

function keysOf(
  { filter, from, grouping, order, paused, rows, typing }: TopState,
  shown: number,
  width: number,
): string {
  if (typing) return cutToWidth(`filter: ${visible(filter)}_   Enter keeps it, Esc clears it`, width);
  const place = rows.length > shown ? `  ${from + 1}-${from + shown} of ${formatNumber(rows.length)}` : '';
  const kept = filter === '' ? '' : `: ${visible(filter)}`;
  const keys = `q quit  v ${grouping}  s by ${ORDER_NAMES[order] ?? order}  p ${paused ? 'go on' : 'pause'}  / filter${kept}`;
  return cutToWidth(`${keys}${place}`, width);
}
