import type { Batch, Limits, Row, Window } from '../../wire/message.ts';
import type { EvidenceRow } from './evidence-table.ts';

/** Bytes of a row's numbers on the wire at most, without texts: varints of ten bytes, and their tags. */
const ROW_BYTES = 120;
/** The same of a text or a subject: its tag and length. */
const TEXT_BYTES = 6;
const WINDOW_BYTES = 80;

/**
 * Rows in batches within the limits of the hub, each with the subjects that it names. A row that is larger than a whole
 * batch is one of its own: it is for the hub to refuse it. Windows go with the first. `clock`: milliseconds.
 */
export function* batchesOf(
  rows: readonly EvidenceRow[],
  windows: readonly Window[],
  limits: Pick<Limits, 'batchRows' | 'batchBytes'>,
  clock: () => number,
): Generator<Batch> {
  let batch = new BatchBuilder(windows);
  for (const row of rows) {
    if (!batch.fits(row, limits)) {
      yield batch.build(clock());
      batch = new BatchBuilder([]);
    }
    batch.add(row);
  }
  if (!batch.empty) yield batch.build(clock());
}

class BatchBuilder {
  readonly #windows: readonly Window[];
  readonly #rows: Row[] = [];
  readonly #subjects = new Map<string, number>();
  readonly #texts: Buffer[] = [];
  #bytes: number;

  constructor(windows: readonly Window[]) {
    this.#windows = windows;
    this.#bytes = windows.length * WINDOW_BYTES;
  }

  get empty(): boolean {
    return this.#rows.length === 0 && this.#windows.length === 0;
  }

  fits(row: EvidenceRow, { batchBytes, batchRows }: Pick<Limits, 'batchRows' | 'batchBytes'>): boolean {
    if (this.#rows.length === 0) return true;
    return this.#rows.length < batchRows && this.#bytes + this.#bytesOf(row) <= batchBytes;
  }

  add(row: EvidenceRow): void {
    this.#bytes += this.#bytesOf(row);
    const key = row.subject.toString('latin1');
    let subject = this.#subjects.get(key);
    if (subject === undefined) {
      subject = this.#texts.push(row.subject) - 1;
      this.#subjects.set(key, subject);
    }
    this.#rows.push({ ...row, subject });
  }

  build(clock: number): Batch {
    return { subjects: this.#texts, rows: this.#rows, windows: [...this.#windows], clock };
  }

  #bytesOf({ name, names, rule, subject }: EvidenceRow): number {
    const known = this.#subjects.has(subject.toString('latin1'));
    const texts = [rule, name, ...names].reduce((sum, text) => sum + TEXT_BYTES + Buffer.byteLength(text), 0);
    return ROW_BYTES + texts + (known ? 0 : TEXT_BYTES + subject.length);
  }
}
