import type { ServerResponse } from 'node:http';
import type { LiveEvent, LiveRow } from './door-message.ts';

/** Streams at a time: a browser has at most six. */
const MOST = 16;
/** Bytes that wait for a browser before connections are left out, and counted. */
const ROOM = 1 << 18;
/** Rows that one who comes is shown at once. */
const RECENT = 100;

/** Browsers that watch what happens now. None is waited for. */
export class Audience {
  readonly #watchers = new Set<Watcher>();
  #state: LiveEvent = { state: { following: false, text: 'Waiting for the recorder ...' } };
  #recent: readonly LiveRow[] = [];

  get full(): boolean {
    return this.#watchers.size >= MOST;
  }

  /** Its head is written already. */
  add(response: ServerResponse): void {
    const watcher = new Watcher(response);
    this.#watchers.add(watcher);
    response.once('close', () => this.#watchers.delete(watcher));
    watcher.write(eventOf(this.#state));
    if (this.#recent.length > 0) watcher.write(textOf('recent', this.#recent));
  }

  show(event: LiveEvent): void {
    if ('state' in event) this.#state = event;
    else this.#recent = [...this.#recent, ...event.connections.rows].slice(-RECENT);
    const text = eventOf(event);
    const count = 'state' in event ? 0 : event.connections.connections;
    for (const watcher of this.#watchers) watcher.show(text, count);
  }

  end(): void {
    const text = textOf('ended', { text: '`bouheki ui` has ended. Start it again, and open the new link.' });
    for (const watcher of this.#watchers) watcher.end(text);
  }
}

/** One browser. */
class Watcher {
  readonly #response: ServerResponse;
  /** Connections that were left out, and of which it has not been told. */
  #missed = 0;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** An event that is about so many connections. */
  show(text: string, count: number): void {
    if (this.#response.writableLength > ROOM) {
      this.#missed += count;
      return;
    }
    this.#report();
    this.write(text);
  }

  write(text: string): void {
    this.#response.write(text);
  }

  end(text: string): void {
    this.#report();
    this.#response.end(text);
  }

  #report(): void {
    if (this.#missed === 0) return;
    this.write(textOf('missed', { count: this.#missed }));
    this.#missed = 0;
  }
}

function eventOf(event: LiveEvent): string {
  const [[kind, data]] = Object.entries(event) as [[string, unknown]];
  return textOf(kind, data);
}

function textOf(kind: string, data: unknown): string {
  return `event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;
}
