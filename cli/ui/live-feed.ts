import { setTimeout as sleep } from 'node:timers/promises';
import { BouhekiError } from '../../error/error.ts';
import { visible } from '../../error/visible.ts';
import { type Followed, type FollowedPart, Follower } from '../../profiler/follow/follow.ts';
import { whereText, whoText } from '../live/place.ts';
import type { LiveEvent, LiveRow } from './door-message.ts';

/** Rows of what came together, about a second: nobody reads more. */
const MOST_ROWS = 200;
/** Characters of a name: a program may have given itself 4 KB of them. */
const LONGEST = 400;
/** How often a recorder is looked for where none runs, milliseconds. */
const LOOK_EVERY = 3000;

/** Shows what a recorder records for as long as one runs, and says when none does, until `close`. */
export class LiveFeed {
  readonly #db: string;
  readonly #show: (event: LiveEvent) => void;
  readonly #closed = new AbortController();
  #follower: Follower | undefined;
  #said = '';

  constructor(db: string, show: (event: LiveEvent) => void) {
    this.#db = db;
    this.#show = show;
  }

  /** Resolves after `close`. */
  async run(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      await this.#follow();
      await sleep(LOOK_EVERY, undefined, { signal }).catch(() => undefined);
    }
  }

  close(): void {
    this.#closed.abort();
    this.#follower?.close();
  }

  async #follow(): Promise<void> {
    try {
      this.#follower = await Follower.open(this.#db);
    } catch (error) {
      // What keeps the record from being read may pass.
      if (!(error instanceof BouhekiError)) throw error;
      return this.#say(false, `${error.message}. ${error.remedy ?? ''}`);
    }
    if (this.#follower === undefined) {
      return this.#say(
        false,
        `No recorder runs on ${this.#db}. Start one, and this goes on: sudo bouheki learn`,
      );
    }
    if (this.#closed.signal.aborted) this.#follower.close();
    this.#say(true, `Following what is recorded in ${this.#db}.`);
    for await (const part of this.#follower.parts()) this.#show({ connections: rowsOf(part) });
    this.#say(false, 'The recorder has ended.');
  }

  #say(following: boolean, text: string): void {
    if (text === this.#said) return;
    this.#said = text;
    this.#show({ state: { following, text: visible(text) } });
  }
}

/** What came together as rows: equal ones as one, and at most so many; the rest is counted. */
function rowsOf({
  events,
  lost,
  missed,
}: FollowedPart): Extract<LiveEvent, { connections: unknown }>['connections'] {
  const rows = new Map<string, LiveRow>();
  const sums = { connections: 0, new: 0, denied: 0, noted: 0, missed, lost };
  for (const event of events) {
    // UDP connects, which send nothing: look-ups of names make them.
    if (event.operation === 'intent') continue;
    sums.connections += event.count;
    if (event.isNew) sums.new += event.count;
    if (event.verdict === 'deny') sums.denied += event.count;
    if (event.verdict === 'noted') sums.noted += event.count;
    const row = rowOf(event);
    const key = JSON.stringify([row.verdict, row.who, row.where, row.rule]);
    const known = rows.get(key);
    if (known !== undefined) Object.assign(known, { count: known.count + row.count, time: row.time });
    else if (rows.size < MOST_ROWS) rows.set(key, row);
    else sums.missed += row.count;
  }
  return { rows: [...rows.values()], ...sums };
}

function rowOf(event: Followed): LiveRow {
  const { count, isNew, rule, time, verdict } = event;
  return {
    time: new Date(time / 1000).toISOString().slice(11, 19),
    isNew,
    verdict,
    who: shown(whoText(event, true)),
    where: shown(whereText(event)),
    ...(rule !== undefined && { rule: shown(rule) }),
    count,
  };
}

function shown(text: string): string {
  const characters = [...text];
  return visible(characters.length <= LONGEST ? text : `${characters.slice(0, LONGEST - 1).join('')}…`);
}
