/** One finished test case, as the reporter writes it and the driver reads it: one line of JSON. */
export interface Outcome {
  readonly kind: 'passed' | 'failed' | 'skipped';
  /** Path of the test file from the repository's root. */
  readonly file: string;
  /** The suites around the test and its own name, outermost first. */
  readonly name: string;
  readonly milliseconds: number;
  /** Why it was skipped, or how it failed. */
  readonly message: string;
}

/** What a test said about itself with `t.diagnostic()`, or a test file printed. */
export interface Remark {
  readonly kind: 'remark';
  readonly message: string;
}

/** The last line of a run that reached its end. */
export interface End {
  readonly kind: 'end';
}

export type Line = Outcome | Remark | End;

/** Marks our lines among whatever else a run prints on stdout. */
const PREFIX = '\u001e';

export function writeLine(line: Line): string {
  return `${PREFIX}${JSON.stringify(line)}\n`;
}

/** The line, or undefined where the text is other output. */
export function readLine(text: string): Line | undefined {
  if (!text.startsWith(PREFIX)) return undefined;
  return JSON.parse(text.slice(PREFIX.length)) as Line;
}
