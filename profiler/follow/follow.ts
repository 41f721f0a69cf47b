import { recordToRead } from '../database/record-place.ts';
import type { Cell } from '../database/row-writer.ts';
import { Operation, Verdict } from '../event/batch.ts';
import { EVENT, HOURLY, knownOf, type Columns, type KnownBy } from '../event/columns.ts';
import type { AccountKind } from '../event/credential.ts';
import { isEventLoss, type LossKind } from '../event/dimension.ts';
import { destinationOf } from '../read/destination.ts';
import type { Observation, Subject } from '../read/observation.ts';
import { recorderClient } from '../read/open-source.ts';
import { openReader, type Reader } from '../read/read.ts';
import type { FeedMessage, FeedRow } from '../serve/feed.ts';
import type { RecorderClient } from '../serve/recorder-client.ts';
import { NameMirror, SELECTED } from './names.ts';
import { Seen } from './seen.ts';

/** Events that wait here while the record is read, or for whoever takes them. What comes on top is missed. */
const MOST_WAITING = 500_000;
/** Seconds. */
const HOUR = 3600;

/** A connection, or equal ones, as it was recorded a moment ago. */
export interface Followed {
  /** Of the first, microseconds since the epoch. */
  time: number;
  subject: Subject;
  /** Of the process; undefined where it is not known. */
  pid: number | undefined;
  /** What the host calls the user, where it is known. */
  user: string | undefined;
  destination: Pick<Observation, 'family' | 'address' | 'port' | 'protocol' | 'socket'>;
  /** The names that the address was known by, the best first. */
  names: readonly string[];
  /** Who asked for the first of them, and the seconds since the end of its TTL; undefined where none was known. */
  known: { by: KnownBy; age: number } | undefined;
  operation: keyof typeof Operation;
  verdict: keyof typeof Verdict;
  /** That decided, where one did. */
  rule: string | undefined;
  count: number;
  /** The subject was not seen to connect there before, in the whole record. */
  isNew: boolean;
}

/** A destination that was new to a subject in the hour before it is followed, and how many seconds ago it was. */
export interface Fresh {
  place: Pick<Followed, 'subject' | 'user' | 'destination' | 'names' | 'rule'>;
  ago: number;
}

/** What came together. */
export interface FollowedPart {
  events: Followed[];
  /** Events before these that were left out, because they came too fast to be taken here. */
  missed: number;
  /** Events that the recorder has lost. */
  lost: number;
}

/** What a recorder records, as it happens, with names. */
export class Follower {
  /** Whether the recorder said that it ends; else it is gone without a word, or has sent us away. */
  ended = false;
  /** What was new in the hour before, in no order. */
  readonly fresh: Fresh[] = [];
  readonly #client: RecorderClient;
  readonly #names = new NameMirror();
  readonly #seen = new Seen();
  #waiting: FeedMessage[] = [];
  /** Events in it. */
  #events = 0;
  #missed = 0;
  #closed = false;
  #arrived: () => void = () => {};

  private constructor(client: RecorderClient) {
    this.#client = client;
  }

  /**
   * Follows the recorder of a record. Undefined when none runs. Reads what the record has first, for names, and from
   * `since` on (microseconds since the epoch) for what is new; throws as `openReader`, and `store-busy` where too many
   * follow. Closed by the signal, at any moment.
   */
  static async open(
    path: string,
    { signal, since = 0 }: { since?: number; signal?: AbortSignal } = {},
  ): Promise<Follower | undefined> {
    const client = await recorderClient(recordToRead(path));
    if (client === undefined) return undefined;
    const follower = new Follower(client);
    signal?.addEventListener('abort', () => follower.close(), { once: true });
    try {
      signal?.throwIfAborted();
      const began = Date.now() * 1000;
      void follower.#pump(await client.watch());
      // What was named before is then in the record.
      await follower.#until(() => follower.#waiting.some((message) => 'committed' in message));
      const reader = await openReader(path);
      try {
        await follower.#readRecord(reader, { since, until: follower.#earliest(began) });
      } finally {
        reader.close();
      }
      return follower;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** What is recorded, in parts of about a second or less, until the recorder ends or `close`. */
  async *parts(): AsyncGenerator<FollowedPart> {
    for (;;) {
      await this.#until(() => this.#waiting.length > 0);
      const messages = this.#waiting;
      const missed = this.#missed;
      this.#waiting = [];
      this.#events = 0;
      this.#missed = 0;
      if (messages.length > 0 || missed > 0) yield this.#partOf(messages, missed);
      if (this.#closed && this.#waiting.length === 0) return;
    }
  }

  /** What the host calls a user or a group, where the recorder has said so. */
  account(kind: AccountKind, id: number): string | undefined {
    return this.#names.account(kind, id);
  }

  close(): void {
    this.#client.close();
    this.#closed = true;
    this.#arrived();
  }

  async #pump(messages: AsyncGenerator<FeedMessage>): Promise<void> {
    try {
      for await (const message of messages) {
        this.#take(message);
        this.#arrived();
      }
    } finally {
      this.#closed = true;
      this.#arrived();
    }
  }

  #take(message: FeedMessage): void {
    if ('ended' in message) this.ended = true;
    if ('missed' in message) this.#missed += message.missed;
    else if ('batch' in message && this.#events >= MOST_WAITING) this.#missed += eventsOf(message.batch);
    else this.#waiting.push(message);
    if ('batch' in message) this.#events += message.batch.rows;
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done() && !this.#closed) await new Promise<void>((resolve) => (this.#arrived = resolve));
  }

  /** When what is to be shown begins: what the record has from then on is shown, so not seen before. */
  #earliest(began: number): number {
    return this.#waiting.reduce((first, message) => {
      if (!('batch' in message)) return first;
      const { columns, rows } = message.batch;
      return columns.time.subarray(0, rows).reduce((least, time) => Math.min(least, Number(time)), first);
    }, began);
  }

  async #readRecord(reader: Reader, window: { since: number; until: number }): Promise<void> {
    const recording = reader.live?.recording;
    for (const [table, columns] of recording === undefined ? [] : SELECTED) {
      for await (const cells of reader.nameRows(table, recording!, columns)) this.#names.add(table, cells);
    }
    const observations = await reader.observations(window);
    // Of the addresses of a name the first that was seen is the one that was new.
    for (const observation of observations.sort((a, b) => a.first - b.first)) {
      const { first, names = [], rule, subject, ...destination } = observation;
      const ago = (window.until - first) / 1e6;
      if (!this.#seen.add(observation) || ago > HOUR) continue;
      this.fresh.push({
        place: { subject, user: this.account('user', subject.uid), destination, names, rule },
        ago,
      });
    }
  }

  #partOf(messages: readonly FeedMessage[], missed: number): FollowedPart {
    const part: FollowedPart = { events: [], missed, lost: 0 };
    for (const message of messages) {
      if ('rows' in message) for (const row of message.rows) this.#row(row, part);
      else if ('batch' in message) this.#batch(message.batch, part);
      else if ('settled' in message) this.#names.settle(message.settled);
      else if ('retired' in message) this.#names.retireNames(message.retired);
    }
    return part;
  }

  #row([table, cells]: FeedRow, part: FollowedPart): void {
    if (table === 'hourly') part.events.push(this.#folded(cells));
    else if (table !== 'loss') this.#names.add(table, cells);
    else if (isEventLoss({ kind: cells[1] as LossKind })) part.lost += Number(cells[2]);
  }

  #batch({ columns, rows }: { columns: Columns<typeof EVENT>; rows: number }, part: FollowedPart): void {
    for (let row = 0; row < rows; row += 1) {
      part.events.push(
        this.#eventOf({
          time: Number(columns.time[row]!),
          process: columns.process[row]!,
          command: columns.command[row]!,
          credential: columns.credential[row]!,
          family: columns.family[row]!,
          high: columns.addressHigh[row]!,
          low: columns.addressLow[row]!,
          port: columns.port[row]!,
          protocol: columns.protocol[row]!,
          operation: columns.operation[row]!,
          verdict: columns.verdict[row]!,
          box: columns.box[row]!,
          names: columns.names[row]!,
          known: columns.known[row]!,
          age: columns.age[row]!,
          count: columns.count[row]!,
        }),
      );
    }
  }

  #folded(cells: readonly Cell[]): Followed {
    const cell = (name: keyof typeof HOURLY): number | bigint =>
      cells[HOURLY_NAMES.indexOf(name)] as number | bigint;
    const number = (name: keyof typeof HOURLY): number => Number(cell(name));
    return this.#eventOf({
      time: number('first'),
      process: number('process'),
      command: number('command'),
      credential: number('credential'),
      family: number('family'),
      high: BigInt(cell('addressHigh')),
      low: BigInt(cell('addressLow')),
      port: number('port'),
      protocol: number('protocol'),
      operation: number('operation'),
      verdict: number('verdict'),
      box: number('box'),
      names: number('names'),
      known: number('known'),
      age: number('age'),
      count: number('count'),
    });
  }

  #eventOf(event: Numbers): Followed {
    const names = this.#names;
    const subject = names.subject(event.process, event.command, event.credential);
    const destination = destinationOf(
      event.family,
      () => (event.high << 64n) | event.low,
      0,
      event.port,
      event.protocol,
    );
    const called = names.namesOf(event.names);
    const operation = OPERATIONS[event.operation] ?? 'connect';
    return {
      time: event.time,
      subject,
      pid: names.pid(event.process),
      user: names.account('user', subject.uid),
      destination,
      names: called,
      known: called.length === 0 ? undefined : knownOf(event.known, event.age),
      operation,
      verdict: VERDICTS[event.verdict] ?? 'deny',
      rule: event.box < 0 ? undefined : names.rule(event.box),
      count: event.count,
      // What sends nothing is no traffic, so nothing that was seen.
      isNew: operation !== 'intent' && this.#seen.add({ subject, ...destination, names: called }),
    };
  }
}

/** The columns of an event, whichever table it goes to. */
interface Numbers {
  time: number;
  process: number;
  command: number;
  credential: number;
  family: number;
  high: bigint;
  low: bigint;
  port: number;
  protocol: number;
  operation: number;
  verdict: number;
  box: number;
  names: number;
  known: number;
  age: number;
  count: number;
}

const HOURLY_NAMES = Object.keys(HOURLY) as (keyof typeof HOURLY)[];
const OPERATIONS = Object.keys(Operation) as (keyof typeof Operation)[];
const VERDICTS = Object.keys(Verdict) as (keyof typeof Verdict)[];

function eventsOf({ columns, rows }: { columns: Columns<typeof EVENT>; rows: number }): number {
  return columns.count.subarray(0, rows).reduce((sum, count) => sum + count, 0);
}
