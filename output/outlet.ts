import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Descriptor } from './descriptor.ts';

/** What a pipe takes whole or not at all, bytes: lines of several writers don't mix. */
const PIPE_BUF = 4096;
/** Bytes of one write to a file. */
const FILE_BUF = 65_536;

/** Milliseconds between two tries to write what waits: at first, and at most. */
const RETRY = 10;
const RETRY_AT_MOST = 250;

/** Errors after which what waits has no reader: the reader has gone, or the terminal. */
const GONE: ReadonlySet<string | undefined> = new Set(['EPIPE', 'EIO', 'EBADF', 'ENXIO', 'ECONNRESET']);

export interface OutletListeners {
  /** The line that is put where so many lines are missing. */
  missing(count: number): string;
  /** Told when writing fails, once until it works again. */
  failed?(error: NodeJS.ErrnoException): void;
}

/**
 * Something that waits. `lines`: how many are lost with it, or, of a line that reports lost ones, how many it
 * reports.
 */
interface Waiting {
  bytes: Buffer;
  lines: number;
  note: boolean;
}

/**
 * Where lines go that are for people. A write never waits: what can't be written at once is kept, up to a
 * limit, and what comes on top is dropped, counted, and said where it is missing as soon as there is room
 * again.
 */
export class Outlet {
  #descriptor: Descriptor;
  readonly #limit: number;
  readonly #listeners: OutletListeners;
  #queue: Waiting[] = [];
  #bytes = 0;
  #dropped = 0;
  /** Dropped lines that no line has reported yet. */
  #missing = 0;
  #failing = false;
  #timer: NodeJS.Timeout | undefined;
  #delay = RETRY;

  /** `limit`: bytes that are kept. */
  constructor(descriptor: Descriptor, limit: number, listeners: OutletListeners) {
    this.#descriptor = descriptor;
    this.#limit = limit;
    this.#listeners = listeners;
  }

  /** Lines that were dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Bytes that wait. */
  get waiting(): number {
    return this.#bytes;
  }

  /** A line with its line feed; of several lines in one text all are dropped, or none, and count as one. */
  write(text: string): void {
    this.#put(text);
    // A try that fails costs more than a line: after one, the timer alone tries again.
    if (this.#timer === undefined) this.#pump();
  }

  /** Text that the next one would replace: where it can't be written at once nothing is lost. */
  show(text: string): void {
    if (this.#timer !== undefined || this.#missing > 0) return;
    this.#add({ bytes: Buffer.from(text), lines: 0, note: false });
    this.#pump();
    this.#queue = [];
    this.#bytes = 0;
  }

  /** Goes on at another descriptor, and closes the one before. What waits goes there. */
  moveTo(descriptor: Descriptor): void {
    this.#descriptor.close();
    this.#descriptor = descriptor;
    this.#pump();
  }

  /**
   * Waits until everything is written, so many milliseconds at the most; what is left then counts as dropped.
   */
  async settle(patience: number): Promise<void> {
    const deadline = performance.now() + patience;
    this.#pump();
    while (this.#queue.length > 0 && !this.#failing && performance.now() < deadline) {
      await sleep(RETRY);
      this.#pump();
    }
    clearTimeout(this.#timer);
    this.#drop();
  }

  /** As `settle`, and closes the descriptor; at once where nothing waits. */
  async close(patience: number): Promise<void> {
    if (this.#queue.length > 0) await this.settle(patience);
    clearTimeout(this.#timer);
    this.#descriptor.close();
  }

  #put(text: string): void {
    const bytes = Buffer.from(text);
    const note = this.#missing > 0 ? Buffer.from(this.#listeners.missing(this.#missing)) : undefined;
    if (this.#queue.length > 0 && this.#bytes + bytes.length + (note?.length ?? 0) > this.#limit) {
      this.#dropped += 1;
      this.#missing += 1;
      return;
    }
    if (note !== undefined) this.#addNote(note);
    this.#add({ bytes, lines: 1, note: false });
  }

  #addNote(bytes: Buffer): void {
    this.#add({ bytes, lines: this.#missing, note: true });
    this.#missing = 0;
  }

  #add(waiting: Waiting): void {
    this.#queue.push(waiting);
    this.#bytes += waiting.bytes.length;
  }

  #drop(): void {
    for (const { lines, note } of this.#queue) {
      this.#missing += lines;
      if (!note) this.#dropped += lines;
    }
    this.#queue = [];
    this.#bytes = 0;
  }

  /** Writes what waits, as far as it goes without waiting. */
  #pump(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      while (this.#queue.length > 0) {
        this.#take(writeSync(this.#descriptor.fd, this.#next()));
        this.#failing = false;
        this.#delay = RETRY;
        // No line may follow for long.
        if (this.#queue.length === 0 && this.#missing > 0)
          this.#addNote(Buffer.from(this.#listeners.missing(this.#missing)));
      }
    } catch (error) {
      this.#timer = setTimeout(() => this.#pump(), this.#delay).unref();
      this.#delay = Math.min(2 * this.#delay, RETRY_AT_MOST);
      this.#failed(error as NodeJS.ErrnoException);
    }
  }

  /** As many lines as fit into one write, or one that doesn't. */
  #next(): Buffer {
    const most = this.#descriptor.shared ? PIPE_BUF : FILE_BUF;
    let count = 0;
    let size = 0;
    for (const { bytes } of this.#queue) {
      if (count > 0 && size + bytes.length > most) break;
      count += 1;
      size += bytes.length;
    }
    if (count === 1) return this.#queue[0]!.bytes;
    return Buffer.concat(
      this.#queue.slice(0, count).map(({ bytes }) => bytes),
      size,
    );
  }

  /** So many bytes of what waits are written. */
  #take(written: number): void {
    this.#bytes -= written;
    let whole = 0;
    let left = written;
    for (; whole < this.#queue.length && left >= this.#queue[whole]!.bytes.length; whole += 1)
      left -= this.#queue[whole]!.bytes.length;
    this.#queue.splice(0, whole);
    const [first] = this.#queue;
    if (left > 0 && first) first.bytes = first.bytes.subarray(left);
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (error.code === 'EAGAIN') return;
    if (GONE.has(error.code)) this.#drop();
    if (!this.#failing) this.#listeners.failed?.(error);
    this.#failing = true;
  }
}
