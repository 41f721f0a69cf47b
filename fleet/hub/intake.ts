import { BouhekiError } from '../../error/error.ts';
import type { Engine } from '../engine/engine.ts';
import type { Batch, Limits, Pace, Receipt } from '../wire/message.ts';
import { Busy } from '../wire/server.ts';

/** Rows that wait in memory at most; beyond that agents are told to wait. */
const MOST_ROWS = 20_000;
/** Rows of one merge. */
const MERGED_ROWS = 5000;
/** Calls of one host that wait at most. */
const MOST_CALLS = 4;
/** Merges at a time: they lock hosts in one order, so more than one gains little. */
const AT_ONCE = 2;

interface Waiting {
  host: string;
  batch: Batch;
  rows: number;
  resolve: (receipt: Receipt) => void;
  reject: (error: unknown) => void;
}

/** What the hub counts of evidence. */
export interface IntakeCounts {
  waitingRows: number;
  rows: number;
  refusedRows: number;
  busy: number;
  merges: number;
}

/**
 * Takes batches of many hosts and has them merged together: one transaction for many calls. A call is answered when its
 * rows are committed, so that what was acknowledged is stored. Memory is bounded: what does not fit is sent again later.
 */
export class Intake {
  readonly #engine: Pick<Engine, 'merge'>;
  readonly #limits: Limits;
  readonly #now: () => number;
  readonly #queue: Waiting[] = [];
  readonly counts: IntakeCounts = { waitingRows: 0, rows: 0, refusedRows: 0, busy: 0, merges: 0 };
  /** Calls that wait, by host: one that floods leaves room for others. */
  readonly #calls = new Map<string, number>();
  #running = 0;
  /** Rows a millisecond of late, for how long agents are told to wait. */
  #rate = 2;

  constructor(engine: Pick<Engine, 'merge'>, limits: Limits, now: () => number) {
    this.#engine = engine;
    this.#limits = limits;
    this.#now = now;
  }

  /** Throws `Busy` where there is no room, and what the engine throws. */
  async take(host: string, batch: Batch): Promise<Receipt> {
    const rows = batch.rows.length + batch.windows.length;
    const calls = this.#calls.get(host) ?? 0;
    if (calls >= MOST_CALLS || (this.counts.waitingRows + rows > MOST_ROWS && this.counts.waitingRows > 0)) {
      this.counts.busy++;
      throw new Busy((this.counts.waitingRows / this.#rate) * (1 + Math.random()));
    }
    this.counts.waitingRows += rows;
    this.#calls.set(host, calls + 1);
    return await new Promise<Receipt>((resolve, reject) => {
      this.#queue.push({ host, batch, rows, resolve, reject });
      this.#start();
    });
  }

  /** What agents are told while much waits: to report less often. Null: nothing. */
  get pace(): Pace | null {
    const { reportSeconds } = this.#limits;
    const full = this.counts.waitingRows / MOST_ROWS;
    return full < 0.5 ? null : { reportSeconds: reportSeconds * 4, spreadSeconds: reportSeconds };
  }

  #start(): void {
    while (this.#running < AT_ONCE && this.#queue.length > 0) {
      const part = this.#next();
      this.#running++;
      // In the next turn: what arrives with it goes with it.
      setImmediate(() => {
        void this.#merge(part).finally(() => {
          this.#running--;
          this.#start();
        });
      });
    }
  }

  #next(): Waiting[] {
    let rows = 0;
    let count = 0;
    for (const each of this.#queue) {
      if (count > 0 && rows + each.rows > MERGED_ROWS) break;
      rows += each.rows;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #merge(part: readonly Waiting[]): Promise<void> {
    const rows = part.reduce((sum, each) => sum + each.rows, 0);
    const begun = performance.now();
    try {
      const receipts = await this.#engine.merge(part, this.#now());
      this.counts.merges++;
      this.#rate = 0.8 * this.#rate + 0.2 * (rows / Math.max(1, performance.now() - begun));
      for (const [at, { resolve }] of part.entries()) {
        const receipt = receipts[at]!;
        this.counts.rows += receipt.rows;
        this.counts.refusedRows += receipt.refused.length;
        resolve({ ...receipt, pace: this.pace });
      }
    } catch (error) {
      const away = error instanceof BouhekiError && error.code === 'fleet-away';
      // What fails because of one must not fail the others.
      if (!away && part.length > 1) await Promise.all(part.map((each) => this.#merge([each])));
      else this.#fail(part, error);
      return;
    }
    this.#left(part);
  }

  #fail(part: readonly Waiting[], error: unknown): void {
    for (const { reject } of part) reject(error);
    this.#left(part);
  }

  #left(part: readonly Waiting[]): void {
    for (const { host, rows } of part) {
      this.counts.waitingRows -= rows;
      const calls = this.#calls.get(host)! - 1;
      if (calls === 0) this.#calls.delete(host);
      else this.#calls.set(host, calls);
    }
  }
}
