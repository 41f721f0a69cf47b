import type { Socket } from 'node:net';
import type { Cell, NameTable, Settled } from '../database/row-writer.ts';
import type { EventBatch } from '../event/batch.ts';
import { type BatchColumns, BatchFrames, FULL_HEAD } from './batch-frame.ts';
import { encodeFrame } from './frame.ts';

/** Subscribers at a time. */
const MOST_SUBSCRIBERS = 4;
/** Bytes that wait for a subscriber before events are left out: about 50,000 events. */
const ROOM = 4 << 20;
/**
 * Bytes that wait before it is sent away. Rows of names are never left out, since later events name them, so
 * they may be as many more.
 */
const MOST_WAITING = 16 << 20;
/** Bytes that are held back until a commit: a write for each batch took twice as long as one for all. */
const HELD = 1 << 20;
/** Rows of names in a message: the longest have 16 KB. */
const MOST_ROWS = 32;
/** How long subscribers may take nothing of what waits at the end, and how long they have for all, milliseconds. */
const LAST_MOMENT = 1000;
const LAST_MOMENTS = 10_000;

/** A row of a table of names, or of events that were folded from the start. */
export type FeedRow = readonly [NameTable, readonly Cell[]];

/** What a subscriber is sent: what the recorder writes, in its order. */
export type FeedMessage =
  | { rows: readonly FeedRow[] }
  /** In a plain frame, see BatchFrames. */
  | { batch: BatchColumns }
  /** All that was sent so far is in the record. */
  | { committed: true }
  | { settled: Settled }
  /** No later event names a set of names up to this row id. */
  | { retired: number }
  /** So many events were left out here, because the subscriber took too long. */
  | { missed: number }
  /** Nothing more comes: the recorder ends. */
  | { ended: true };

/** A commit comes each second, and code that runs so seldom is never quick. */
const COMMITTED = encodeFrame({ committed: true } satisfies FeedMessage);

/**
 * Passes on what is recorded to those who watch it live. It never waits: who takes too long misses events,
 * which are counted for them. Without a subscriber it costs one look.
 */
export class Feed {
  readonly #subscribers = new Map<Socket, Subscriber>();
  readonly #frames = new BatchFrames();
  #rows: FeedRow[] = [];

  get full(): boolean {
    return this.#subscribers.size >= MOST_SUBSCRIBERS;
  }

  /** From now on `socket` is sent FeedMessages, until it closes. */
  subscribe(socket: Socket): void {
    this.#sendRows();
    this.#subscribers.set(socket, new Subscriber(socket));
    socket.once('close', () => this.#subscribers.delete(socket));
  }

  add(table: NameTable, cells: readonly Cell[]): void {
    if (this.#subscribers.size === 0) return;
    this.#rows.push([table, cells]);
    if (this.#rows.length >= MOST_ROWS) this.#sendRows();
  }

  /** `lasting`: the bytes of the batch once more, in memory that nobody writes to any more, where there is such. */
  append(batch: EventBatch, lasting?: Uint8Array): void {
    if (this.#subscribers.size === 0) return;
    this.#sendRows();
    const { events } = batch;
    if (this.#eachFull(events)) return;
    if (lasting !== undefined && batch.full) {
      const parts = [FULL_HEAD, lasting];
      for (const subscriber of this.#subscribers.values()) subscriber.events(parts, events);
      return;
    }
    const frame = this.#frames.fill(batch);
    let writing = 1;
    const written = (): void => {
      writing -= 1;
      if (writing === 0) this.#frames.release(frame);
    };
    for (const subscriber of this.#subscribers.values()) {
      writing += 1;
      subscriber.events([frame], events, written);
    }
    written();
  }

  committed(): void {
    this.#sendRows();
    for (const subscriber of this.#subscribers.values()) subscriber.write([COMMITTED]);
    for (const subscriber of this.#subscribers.values()) subscriber.report();
    this.#flush();
  }

  settled(settled: Settled): void {
    this.#send({ settled });
    this.#flush();
  }

  retired(last: number): void {
    this.#send({ retired: last });
    this.#flush();
  }

  /** Says that nothing more comes, and waits a moment until that is taken. */
  async end(): Promise<void> {
    this.#sendRows();
    await Promise.all([...this.#subscribers.values()].map((subscriber) => subscriber.end()));
  }

  /** Whether none has room, so that nothing has to be made for them; then the events count as missed. */
  #eachFull(events: number): boolean {
    const subscribers = [...this.#subscribers.values()];
    if (subscribers.some(({ full }) => !full)) return false;
    for (const subscriber of subscribers) subscriber.missed += events;
    return true;
  }

  #flush(): void {
    for (const subscriber of this.#subscribers.values()) subscriber.flush();
  }

  #send(message: FeedMessage): void {
    if (this.#subscribers.size === 0) return;
    this.#sendRows();
    this.#write(message);
  }

  #sendRows(): void {
    if (this.#rows.length > 0 && this.#subscribers.size > 0) this.#write({ rows: this.#rows });
    this.#rows = [];
  }

  #write(message: FeedMessage): void {
    const frame = encodeFrame(message);
    for (const subscriber of this.#subscribers.values()) subscriber.write([frame]);
  }
}

class Subscriber {
  /** Events that were left out, and of which it has not been told. */
  missed = 0;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get full(): boolean {
    return this.#socket.writableLength > ROOM;
  }

  /** Writes a frame. `written` is called once its parts are not needed any more. */
  write(parts: readonly Uint8Array[], written?: () => void): void {
    const socket = this.#socket;
    if (socket.writableLength > MOST_WAITING) {
      socket.destroy();
      return written?.();
    }
    if (socket.writableCorked === 0) socket.cork();
    for (const [index, part] of parts.entries())
      socket.write(part, index === parts.length - 1 ? written : undefined);
    if (socket.writableLength > HELD) this.flush();
  }

  /** Sends what was held back. */
  flush(): void {
    this.#socket.uncork();
  }

  events(parts: readonly Uint8Array[], count: number, written?: () => void): void {
    if (this.full) {
      this.missed += count;
      return written?.();
    }
    this.report();
    this.write(parts, written);
  }

  /** Reports what was missed, once there is room; `now` because there is no later. */
  report(now = false): void {
    if (this.missed === 0 || (this.full && !now)) return;
    this.write([encodeFrame({ missed: this.missed } satisfies FeedMessage)]);
    this.missed = 0;
  }

  async end(): Promise<void> {
    this.report(true);
    this.write([encodeFrame({ ended: true } satisfies FeedMessage)]);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LAST_MOMENTS);
      // Begins anew whenever a part was taken.
      this.#socket.setTimeout(LAST_MOMENT, resolve);
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#socket.once('close', done);
      this.#socket.end(done);
    });
  }
}
