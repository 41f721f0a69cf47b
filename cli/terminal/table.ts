import { visible } from '../../error/visible.ts';
import { cutToWidth, displayWidth } from '../../format/display-width.ts';
import { paint, type Style } from '../../output/terminal.ts';
import { PLAIN_VIEW, type View } from './view.ts';

/** A cell wider than this moves the rest of its own line only, columns of a terminal. */
const WIDEST = 60;
/** What is left of a column at least when a table is cut to its terminal, and what it may have at ease. */
const NARROWEST = 8;
const AT_EASE = 32;
const GAP = '  ';

/** Cells that are compared digit by digit: `1,204`, `0.4 %`, `x1.24`. `-` stands for none. */
const NUMBER = /^[x-]?\d[\d,]*(\.\d+)?( %)?$/;

/** How a table is shown. */
export interface TableOptions {
  view?: View;
  /** Columns that go first where a terminal has no room for all, by index, in this order. */
  optional?: readonly number[];
  /** Columns of names, by index: to the left also where all are numbers. */
  names?: readonly number[];
  /** The colour of a cell by its text; head lines are bold. */
  styles?: Readonly<Record<string, Style>>;
  /** Spaces in front of each line. */
  indent?: number;
  /** Whether the first line is one like the others. */
  headless?: boolean;
}

/** A column on its way to lines. */
interface Column {
  cells: string[];
  number: boolean;
  width: number;
}

/**
 * Lines of a text table: cells padded to the width of their column, numbers to the right, two spaces between,
 * nothing at line ends. In a terminal it fits: optional columns are left out, then the widest ones are cut.
 */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  options: TableOptions = {},
): string[] {
  const { indent = 0, headless = false, names = [], optional = [], styles = {}, view = PLAIN_VIEW } = options;
  const lines = [head, ...rows];
  const columns = head.map((_, index) => columnOf(lines, index, headless));
  for (const index of names) columns[index]!.number = false;
  const shown = fit(columns, optional, view.width === undefined ? undefined : view.width - indent);
  const edge = ' '.repeat(indent);
  return lines.map((_, line) => {
    const cells = shown.map((column, at) => {
      const text = column.cells[line]!;
      const cell = view.width === undefined ? text : cutToWidth(text, column.width);
      const style = line === 0 && !headless ? 'bold' : Object.hasOwn(styles, text) ? styles[text] : undefined;
      const padding = ' '.repeat(Math.max(0, column.width - displayWidth(cell)));
      const painted = paint(view.colour, cell === '' ? undefined : style, cell);
      if (column.number) return padding + painted;
      // Nothing follows the last one.
      return at === shown.length - 1 ? painted : painted + padding;
    });
    while (cells.length > 0 && cells.at(-1)!.trim() === '') cells.pop();
    return (edge + cells.join(GAP)).trimEnd();
  });
}

function columnOf(lines: readonly (readonly string[])[], index: number, headless: boolean): Column {
  const cells = lines.map((line) => visible(line[index] ?? ''));
  const data = headless ? cells : cells.slice(1);
  const number =
    data.some((cell) => NUMBER.test(cell)) &&
    data.every((cell) => cell === '' || cell === '-' || NUMBER.test(cell));
  // No spread into Math.max: a report may have more lines than a call may have arguments.
  const width = cells.reduce((most, cell) => {
    const own = displayWidth(cell);
    return own > WIDEST ? most : Math.max(most, own);
  }, 0);
  return { cells, number, width };
}

/** The columns that fit into a terminal, as wide as they may be; all as they are where there is none. */
function fit(columns: readonly Column[], optional: readonly number[], room: number | undefined): Column[] {
  if (room === undefined) return [...columns];
  // A cell that would move its line would also leave the terminal.
  const full = columns.map((column) => ({ ...column, width: widthOf(column) }));
  const left = [...full];
  for (const index of optional) {
    if (total(left, AT_EASE) <= room) break;
    left.splice(left.indexOf(full[index]!), 1);
  }
  for (let over = total(left) - room; over > 0; over -= 1) {
    const widest = left.reduce((most, column) => (spare(column) > spare(most) ? column : most));
    if (spare(widest) <= 0) break;
    widest.width -= 1;
  }
  return left;
}

function widthOf({ cells }: Column): number {
  return cells.reduce((most, cell) => Math.max(most, displayWidth(cell)), 0);
}

/** How much of a column may be cut: numbers are shown whole or not at all. */
function spare({ number, width }: Column): number {
  return number ? 0 : width - NARROWEST;
}

/** The width of all, none of them counted for more than `most`. */
function total(columns: readonly Column[], most = Number.POSITIVE_INFINITY): number {
  return columns.reduce((sum, { width }) => sum + Math.min(width, most), GAP.length * (columns.length - 1));
}
