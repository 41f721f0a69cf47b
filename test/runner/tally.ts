import type { Outcome } from './outcome.ts';

/** What all levels together came to. */
export class Tally {
  readonly #outcomes: { where: string; outcome: Outcome }[] = [];

  add(where: string, outcome: Outcome): void {
    this.#outcomes.push({ where, outcome });
  }

  get good(): boolean {
    return this.#count('failed') === 0 && this.#count('passed') > 0;
  }

  /** Every skip with its reason, every failure with its message, and the line that ends the output. */
  summary(): string {
    const lines: string[] = [];
    for (const { where, outcome } of this.#of('skipped')) {
      lines.push(`skipped  ${title(where, outcome)}: ${outcome.message}`);
    }
    for (const { where, outcome } of this.#of('failed')) {
      lines.push('', `FAILED   ${title(where, outcome)}`, indent(outcome.message));
    }
    if (this.#outcomes.length === 0) lines.push('No test ran.');
    lines.push(
      '',
      `${this.#count('passed')} passed, ${this.#count('failed')} failed, ${this.#count('skipped')} skipped`,
    );
    return `${lines.join('\n')}\n`;
  }

  #of(kind: Outcome['kind']): { where: string; outcome: Outcome }[] {
    return this.#outcomes.filter(({ outcome }) => outcome.kind === kind);
  }

  #count(kind: Outcome['kind']): number {
    return this.#of(kind).length;
  }
}

function title(where: string, { file, name }: Outcome): string {
  return [where, file, name].filter((part) => part !== '').join(': ');
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}
