import { setTimeout as sleep } from 'node:timers/promises';
import type { Followed } from '../../profiler/follow/follow.ts';
import { Follower } from '../../profiler/follow/follow.ts';
import type { Subject } from '../../profiler/read/observation.ts';
import { hourOfWeek, weekOf, weekStart } from '../wire/week.ts';
import { EvidenceTable, type EvidenceRow, type Host } from './evidence/evidence-table.ts';

/** For how long what is new is gathered before it is sent, milliseconds: it is to be there within 10 s. */
const GATHER = 5000;
/** Before a recorder that has ended is looked for again, milliseconds. */
const AGAIN = 1000;
/** Rows that are gathered at the most, and as many more that were denied: the others go with the next hour. */
const MOST_ROWS = 5000;
/** Such a path may be the real name of a file: the record can tell, a follower cannot. */
const DELETED = ' (deleted)';

export interface LiveParts {
  db: string;
  signal: AbortSignal;
  host: (nameOf: Host['nameOf']) => Host;
  revisionAt: (time: number) => number;
  /** Rows that are to be sent now; they are lost where that fails, and go with the next hour. */
  send: (rows: readonly EvidenceRow[]) => Promise<void>;
  /** How a connection of this very process looks. */
  self: (subject: Subject) => void;
}

/** Follows the recorder, and passes on what was never seen before and what is denied. */
export class LiveEvidence {
  readonly #parts: LiveParts;
  #table: EvidenceTable | undefined;
  #sending = false;
  /** Whether the table is to be sent as soon as what is being sent now is. */
  #due = false;

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  /** Until the signal comes. A recorder that ends, or does not run yet, is looked for again. */
  async run(): Promise<void> {
    const { db, signal } = this.#parts;
    while (!signal.aborted) {
      try {
        const since = weekStart(weekOf(Date.now() * 1000) - 1);
        const follower = await Follower.open(db, { since, signal });
        if (follower !== undefined) await this.#follow(follower);
      } catch {
        // Too many follow, or the record is made anew: the hourly look has all.
      }
      await sleep(AGAIN, undefined, { signal }).catch(() => undefined);
    }
  }

  async #follow(follower: Follower): Promise<void> {
    const { signal } = this.#parts;
    const close = (): void => follower.close();
    signal.addEventListener('abort', close);
    try {
      for await (const { events } of follower.parts())
        for (const event of events) this.#take(event, follower);
    } finally {
      signal.removeEventListener('abort', close);
      follower.close();
    }
  }

  #take(event: Followed, follower: Follower): void {
    if (event.pid === process.pid) this.#parts.self(event.subject);
    const matters = event.isNew || event.verdict !== 'allow';
    if (!matters || event.operation === 'intent' || event.subject.exe?.endsWith(DELETED)) return;
    const week = weekOf(event.time);
    if (this.#table?.week !== week) this.#begin(week, follower);
    const { count, destination, known, names, rule = '', subject, time, verdict } = event;
    const denied = verdict !== 'allow';
    this.#table!.add({
      subject,
      destination,
      verdict,
      revision: denied ? this.#parts.revisionAt(time) : 0,
      rule: denied ? rule : '',
      count,
      first: time,
      last: time,
      hours: `${'0'.repeat(hourOfWeek(time))}1`,
      names,
      known,
    });
  }

  /** What is of another week is sent at once; while a hub is slow, it is left to the next hour. */
  #begin(week: number, follower: Follower): void {
    this.#flush();
    const host = this.#parts.host((kind, id) => follower.account(kind, id));
    this.#table = new EvidenceTable(week, host, { most: MOST_ROWS, denied: MOST_ROWS });
    setTimeout(() => this.#flush(), GATHER).unref();
  }

  /** One at a time: what a slow hub has not taken would become more and more. Meanwhile the table fills up. */
  #flush(): void {
    this.#due = this.#sending;
    if (this.#sending) return;
    const rows = this.#table?.rows() ?? [];
    this.#table = undefined;
    if (rows.length > 0) void this.#send(rows);
  }

  async #send(rows: readonly EvidenceRow[]): Promise<void> {
    this.#sending = true;
    await this.#parts.send(rows).catch(() => undefined);
    this.#sending = false;
    if (this.#due) this.#flush();
  }
}
