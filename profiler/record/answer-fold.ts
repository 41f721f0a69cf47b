import type { AnswerCount } from '../database/name-cells.ts';
import type { AnswerRow } from '../event/dimension.ts';
import { LONGEST_NAME, plainName } from '../event/plain-name.ts';

/** Answers of an hour that are told apart, and those of one process. The others are only counted. */
const MOST = 4096;
const MOST_OF_PROCESS = 1024;

/** Names of a chain that are kept. */
const MOST_CHAIN = 8;

/** How long an answer that was written waits until what came since is written too, microseconds. */
const WRITTEN_EVERY = 600_000_000;

const HOUR = 3_600_000_000;
const MINUTE = 60_000_000;

interface Entry extends AnswerCount {
  /** When it was last written, by the time of answers; 0: never. */
  written: number;
}

/**
 * Counts equal answers of an hour, so that the record grows by what is different and not by how often it is
 * asked. An answer that is new is written at the next flush, since a run may be killed; what comes of it later
 * in the hour is written every ten minutes, as one more row. Who floods the record with different ones adds
 * no more than a bounded number of rows an hour, and leaves other processes theirs.
 */
export class AnswerFold {
  readonly #write: (count: AnswerCount) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #changed = new Set<Entry>();
  readonly #ofProcess = new Map<number, number>();
  /** Microseconds since the epoch. */
  #hour = 0;
  #latest = 0;

  constructor(write: (count: AnswerCount) => void) {
    this.#write = write;
  }

  add(row: AnswerRow): void {
    this.#enter(row.time);
    const { ttl, time } = row;
    const entry = this.#entryOf(row);
    if (entry.count === 0) {
      Object.assign(entry, { ttlMin: ttl, ttlMax: ttl, first: time, last: time });
    }
    entry.count += 1;
    entry.ttlMin = Math.min(entry.ttlMin, ttl);
    entry.ttlMax = Math.max(entry.ttlMax, ttl);
    entry.first = Math.min(entry.first, time);
    entry.last = Math.max(entry.last, time);
    this.#changed.add(entry);
  }

  /** Writes what is new, and what has waited. */
  flush(): void {
    for (const entry of this.#changed) {
      if (entry.written === 0 || this.#latest - entry.written >= WRITTEN_EVERY) this.#writeOut(entry);
    }
  }

  /** Writes everything. */
  end(): void {
    for (const entry of this.#changed) this.#writeOut(entry);
  }

  /** An hour begins. One that is over is not opened again for answers that come a little late. */
  #enter(time: number): void {
    this.#latest = Math.max(this.#latest, time);
    if (time < this.#hour + HOUR && time >= this.#hour - MINUTE) return;
    this.end();
    this.#entries.clear();
    this.#ofProcess.clear();
    this.#hour = time - (time % HOUR);
    this.#latest = time;
  }

  #entryOf(row: AnswerRow): Entry {
    const told = {
      process: row.process,
      resolver: row.resolver,
      question: kept(row.question),
      chain: row.chain.slice(0, MOST_CHAIN).map(kept),
      family: row.family,
      address: row.address,
      counts: row.counts,
    };
    const { address, chain, counts, family, process, question, resolver } = told;
    const from = [process, counts, resolver.family, resolver.value];
    const key = [...from, question, ...chain, family, address].join(' ');
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const ofProcess = this.#ofProcess.get(process) ?? 0;
    if (this.#entries.size >= MOST || ofProcess >= MOST_OF_PROCESS) return this.#others();
    this.#ofProcess.set(process, ofProcess + 1);
    return this.#made(key, { ...noAnswer(), told });
  }

  /** What stands for all that are not told apart. */
  #others(): Entry {
    return this.#entries.get('') ?? this.#made('', noAnswer());
  }

  #made(key: string, entry: Entry): Entry {
    this.#entries.set(key, entry);
    return entry;
  }

  #writeOut(entry: Entry): void {
    this.#write(entry);
    entry.count = 0;
    entry.written = this.#latest;
    this.#changed.delete(entry);
  }
}

function kept(name: string): string {
  return plainName(name).slice(0, LONGEST_NAME);
}

function noAnswer(): Entry {
  return { ttlMin: 0, ttlMax: 0, count: 0, first: 0, last: 0, written: 0 };
}
