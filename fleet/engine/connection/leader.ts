import type { Client } from 'pg';
import { engineFailure } from './failure.ts';
import type { Primary } from './primary.ts';

const LEADER_LOCK = 0x62_6f_75_02;
/** For the server to say that the lock is still held. Milliseconds. */
const ANSWER_TIMEOUT = 5000;

/**
 * One hub of all leads: the one whose connection has the session's lock. The server gives it back when the connection
 * ends, so none leads that cannot reach the engine.
 */
export class Leader {
  readonly #primary: Primary;
  #client: Client | undefined;
  #leads = false;
  #asking: Promise<boolean> | undefined;

  constructor(primary: Primary) {
    this.#primary = primary;
  }

  /** Whether this one leads now: asked of the server each time, for the connection may have been lost since. */
  lead(): Promise<boolean> {
    return (this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    }));
  }

  async #ask(): Promise<boolean> {
    try {
      const client = (this.#client ??= await this.#connect());
      if (this.#leads && this.#client === client) {
        await client.query({ text: 'SELECT 1', query_timeout: ANSWER_TIMEOUT } as { text: string });
      } else {
        const { rows } = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [
          LEADER_LOCK,
        ]);
        this.#leads = rows[0]!.got;
      }
      return this.#leads && this.#client === client;
    } catch (error) {
      this.#lose(this.#client);
      throw engineFailure(error);
    }
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.#leads = false;
    await client?.end().catch(() => undefined);
  }

  async #connect(): Promise<Client> {
    const client = await this.#primary.connectAlone();
    client.on('end', () => this.#lose(client));
    client.on('error', () => this.#lose(client));
    return client;
  }

  #lose(client: Client | undefined): void {
    if (client === undefined || this.#client !== client) return;
    this.#client = undefined;
    this.#leads = false;
    client.end().catch(() => undefined);
  }
}
