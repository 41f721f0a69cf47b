/** Lines of a text table: cells padded to the width of their column, two spaces between, nothing at line ends. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => displayWidth(line[column] ?? ''))));
  return lines.map((line) =>
    widths
      .map((width, column) => {
        const cell = line[column] ?? '';
        return cell + ' '.repeat(width - displayWidth(cell));
      })
      .join('  ')
      .trimEnd(),
  );
}

/** Code points, which is right for names and addresses. */
function displayWidth(text: string): number {
  return [...text].length;
}
