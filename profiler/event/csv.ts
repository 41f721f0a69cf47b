/** A row as it stands in the file. */
export interface CsvRow {
  /** Line on which it begins, from 1. */
  line: number;
  fields: string[];
  /** Where each field begins in its row, from 0; absent when nothing is quoted. */
  starts?: number[];
  /** What is wrong with its quotes; its fields say nothing then. */
  problem?: string;
}

/** Characters of the longest row: a quote that is never closed must not take in the whole file. */
const LONGEST = 1 << 20;

/**
 * CSV as RFC 4180 has it, in pieces as they come. Ends of lines may be LF or CRLF; empty lines are left out.
 */
export class CsvParser {
  #rest = '';
  #line = 1;

  /** The rows that are complete with this piece. */
  *push(text: string): Generator<CsvRow> {
    yield* this.#rows(this.#rest + text, false);
  }

  /** The last row, when the file does not end with a line end. */
  *end(): Generator<CsvRow> {
    if (this.#rest !== '') yield* this.#rows(`${this.#rest}\n`, true);
  }

  *#rows(text: string, last: boolean): Generator<CsvRow> {
    let at = 0;
    // Looked up anew only when it is behind: most files have no quote at all.
    let quote = text.indexOf('"');
    for (;;) {
      const end = text.indexOf('\n', at);
      if (end < 0) break;
      if (quote >= 0 && quote < at) quote = text.indexOf('"', at);
      if (quote < 0 || quote > end) {
        const fields = readPlain(text, at, end);
        if (fields !== undefined) yield { line: this.#line, fields };
        this.#line += 1;
        at = end + 1;
        continue;
      }
      const row = readQuoted(text, at);
      if (row === undefined && !last && text.length - at < LONGEST) break;
      // A stray quote runs on into the lines below, up to the next one: those lines are not to blame.
      if (row === undefined || (row.row.problem !== undefined && row.lines > 1)) {
        yield { line: this.#line, fields: [], problem: 'a quote is not closed' };
        this.#line += 1;
        at = end + 1;
        continue;
      }
      yield { line: this.#line, ...row.row };
      this.#line += row.lines;
      at = row.end;
    }
    this.#rest = text.slice(at);
  }
}

/** The fields of a line without quotes; undefined for an empty one. */
function readPlain(text: string, at: number, end: number): string[] | undefined {
  const stop = text.charCodeAt(end - 1) === 13 && end > at ? end - 1 : end;
  return stop > at ? text.slice(at, stop).split(',') : undefined;
}

/** The row with quotes that begins at `at`; undefined when its end is not there yet. */
function readQuoted(
  text: string,
  at: number,
): { row: Omit<CsvRow, 'line'>; end: number; lines: number } | undefined {
  const fields: string[] = [];
  const starts: number[] = [];
  let lines = 1;
  let position = at;
  for (;;) {
    starts.push(position - at);
    let field: string;
    if (text[position] === '"') {
      const close = closingQuote(text, position + 1);
      if (close === undefined) return undefined;
      field = text.slice(position + 1, close);
      for (let index = field.indexOf('\n'); index >= 0; index = field.indexOf('\n', index + 1)) lines += 1;
      field = field.replaceAll('""', '"');
      position = close + 1;
    } else {
      const stop = /[,\n]/g;
      stop.lastIndex = position;
      const found = stop.exec(text);
      if (found === null) return undefined;
      field = text.slice(position, found.index).replace(/\r$/, '');
      position = found.index;
    }
    fields.push(field);
    if (text[position] === '\r' && text[position + 1] === '\n') position += 1;
    if (text[position] === '\n') return { row: { fields, starts }, end: position + 1, lines };
    if (position >= text.length) return undefined;
    if (text[position] !== ',') {
      const end = text.indexOf('\n', position);
      if (end < 0) return undefined;
      const problem = 'text follows a closing quote';
      return { row: { fields: [], starts, problem }, end: end + 1, lines };
    }
    position += 1;
  }
}

function closingQuote(text: string, from: number): number | undefined {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text[at + 1] !== '"') return at;
  }
  return undefined;
}
