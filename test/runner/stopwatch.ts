/** How long each level took. */
export class Stopwatch {
  readonly #levels = new Map<string, { first: number; last: number; sum: number; parts: number }>();

  /** A part of a level ran from `begun` to `ended`, milliseconds of one clock. */
  add(level: string, begun: number, ended: number): void {
    const known = this.#levels.get(level);
    this.#levels.set(level, {
      first: Math.min(known?.first ?? begun, begun),
      last: Math.max(known?.last ?? ended, ended),
      sum: (known?.sum ?? 0) + ended - begun,
      parts: (known?.parts ?? 0) + 1,
    });
  }

  /** A line a level, and one for all of them together: from the first beginning to the last end. */
  summary(): string {
    const levels = [...this.#levels.entries()];
    const lines = levels.map(
      ([name, { sum, parts }]) =>
        `time     ${name}: ${seconds(sum)} in ${parts === 1 ? '1 part' : `${parts} parts`}`,
    );
    const first = Math.min(...levels.map(([, level]) => level.first));
    const last = Math.max(...levels.map(([, level]) => level.last));
    if (levels.length > 0) lines.push(`time     from first to last: ${seconds(last - first)}`);
    return lines.map((line) => `${line}\n`).join('');
  }
}

function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 1000)} s`;
}
