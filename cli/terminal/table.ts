import { visible } from '../../error/visible.ts';

/** A cell wider than this moves the rest of its own line only, characters. */
const WIDEST = 60;

/**
 * Lines of a text table: cells padded to the width of their column, two spaces between, nothing at line ends.
 */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [head, ...rows].map((line) => line.map(visible));
  // No spread into Math.max: a report may have more lines than a call may have arguments.
  const widths = head.map((_, column) =>
    lines.reduce((width, line) => {
      const own = displayWidth(line[column] ?? '');
      return own > WIDEST ? width : Math.max(width, own);
    }, 0),
  );
  return lines.map((line) =>
    widths
      .map((width, column) => {
        const cell = line[column] ?? '';
        return cell + ' '.repeat(Math.max(0, width - displayWidth(cell)));
      })
      .join('  ')
      .trimEnd(),
  );
}

/** Code points, which is right for names and addresses. */
function displayWidth(text: string): number {
  return [...text].length;
}
