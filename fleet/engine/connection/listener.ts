import { setTimeout as wait } from 'node:timers/promises';
import type { Client } from 'pg';
import type { Primary } from './primary.ts';

/** That publishing notifies, and nothing else: a notification takes one lock of the whole server at its commit. */
export const CHANNEL = 'bouheki_published';

const FIRST_WAIT = 200;
const LONGEST_WAIT = 10_000;
/** How often a quiet connection is asked whether it is still one. Milliseconds. */
const CHECK = 15_000;
const ANSWER_TIMEOUT = 5000;

/** Wakes when something was published, and after each time that this could not be heard. */
export class Listener {
  readonly #primary: Primary;
  readonly #heard: () => void;
  readonly #closing = new AbortController();
  #client: Client | undefined;

  constructor(primary: Primary, heard: () => void) {
    this.#primary = primary;
    this.#heard = heard;
  }

  /** Listens; from then on it connects again by itself. */
  async open(): Promise<void> {
    void this.#goOn(await this.#listen());
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#client?.end().catch(() => undefined);
  }

  async #listen(): Promise<{ lost: Promise<void> }> {
    const client = await this.#primary.connectAlone();
    const ending = new AbortController();
    const end = () => ending.abort();
    client.on('end', end);
    client.on('error', end);
    client.on('notification', this.#heard);
    try {
      await client.query(`LISTEN ${CHANNEL}`);
    } catch (error) {
      client.end().catch(() => undefined);
      throw error;
    }
    this.#client = client;
    if (this.#closing.signal.aborted) client.end().catch(() => undefined);
    const check = setInterval(() => {
      client.query({ text: 'SELECT 1', query_timeout: ANSWER_TIMEOUT } as { text: string }).catch(end);
    }, CHECK);
    check.unref();
    const lost = new Promise<void>((resolve) => {
      if (ending.signal.aborted) resolve();
      ending.signal.addEventListener('abort', () => resolve());
    }).finally(() => {
      clearInterval(check);
      client.end().catch(() => undefined);
    });
    return { lost };
  }

  async #goOn({ lost }: { lost: Promise<void> }): Promise<void> {
    await lost;
    for (let pause = FIRST_WAIT; !this.#closing.signal.aborted; pause = Math.min(2 * pause, LONGEST_WAIT)) {
      await wait(pause * (0.5 + Math.random() / 2), undefined, { signal: this.#closing.signal }).catch(
        () => undefined,
      );
      if (this.#closing.signal.aborted) return;
      const again = await this.#listen().catch(() => undefined);
      if (again === undefined) continue;
      // What was published meanwhile was not heard.
      this.#heard();
      pause = FIRST_WAIT;
      await again.lost;
    }
  }
}
