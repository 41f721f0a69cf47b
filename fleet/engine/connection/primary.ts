import { Client, Pool, types, type ClientBase, type ClientConfig, type PoolClient } from 'pg';
import { BouhekiError } from '../../../error/error.ts';
import { away, connectFailure, engineFailure, isAway } from './failure.ts';

/** Milliseconds. */
const CONNECT_TIMEOUT = 5000;
/** Of a statement; longer ones set their own. */
const STATEMENT_TIMEOUT = 60_000;
/** A caller that has stopped in the middle of a transaction. */
const IDLE_TIMEOUT = 60_000;
const CONNECTIONS = 8;
/** The server's own look at a peer that is silent, in seconds: a hub that has vanished must not lead for long. */
const KEEPALIVE = '-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3';

const INT8 = 20;
/** Times and counters are far below 2^53. */
const NUMBERS = {
  getTypeParser: (id: number, format?: 'text' | 'binary') =>
    id === INT8 ? Number : types.getTypeParser(id, format as 'text'),
} as ClientConfig['types'];

/**
 * Connections to the one of several servers that is the primary. A list of addresses with "read-write only" is not
 * known to the client library, so each is asked whether it is in recovery.
 */
export class Primary {
  readonly #urls: readonly string[];
  #pool: Promise<Pool> | undefined;
  #closed = false;

  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** Does this with a connection. After a failure of the server the next call looks for the primary again. */
  async use<Result>(act: (client: PoolClient) => Promise<Result>): Promise<Result> {
    const { client, release } = await this.#take();
    try {
      const result = await act(client);
      release();
      return result;
    } catch (error) {
      throw release(error);
    }
  }

  /** The same in a transaction. */
  transaction<Result>(act: (client: PoolClient) => Promise<Result>): Promise<Result> {
    return this.use((client) => transact(client, () => act(client)));
  }

  /** The same for what comes in parts: the transaction ends with the last, or when the reader stops. */
  async *read<Part>(act: (client: PoolClient) => AsyncIterable<Part>): AsyncGenerator<Part> {
    const { client, release } = await this.#take();
    let failure: unknown;
    try {
      await client.query('BEGIN READ ONLY');
      yield* act(client);
    } catch (error) {
      failure = error;
      throw engineFailure(error);
    } finally {
      await client.query('ROLLBACK').catch((error: unknown) => {
        failure ??= error;
      });
      release(failure);
    }
  }

  /** A connection apart from the others, for what lives as long as it does. The caller ends it. */
  async connectAlone(): Promise<Client> {
    try {
      const { client } = await this.#find();
      return client;
    } catch (error) {
      throw engineFailure(error);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const pool = await this.#pool?.catch(() => undefined);
    this.#pool = undefined;
    await pool?.end();
  }

  /** A connection of the pool. It must be released, with the failure if there was one, which it returns for the caller. */
  async #take(): Promise<{ client: PoolClient; release: (failure?: unknown) => unknown }> {
    const pool = this.#current();
    const judge = (failure: unknown) => {
      if (saysAway(failure) && !isBusy(failure)) this.#forget(pool);
      return engineFailure(failure);
    };
    try {
      const client = await (await pool).connect();
      let released = false;
      const release = (failure?: unknown) => {
        if (!released) client.release(failure !== undefined && isAway(failure));
        released = true;
        return failure === undefined ? undefined : judge(failure);
      };
      return { client, release };
    } catch (error) {
      throw judge(error);
    }
  }

  #current(): Promise<Pool> {
    if (this.#closed) throw away('it was closed');
    if (this.#pool === undefined) {
      const pool = this.#open();
      this.#pool = pool;
      pool.catch(() => this.#forget(pool));
    }
    return this.#pool;
  }

  #forget(pool: Promise<Pool>): void {
    if (this.#pool !== pool) return;
    this.#pool = undefined;
    pool.then((old) => old.end()).catch(() => undefined);
  }

  async #open(): Promise<Pool> {
    const { client, url } = await this.#find();
    await client.end();
    const pool = new Pool({
      ...settingsOf(url),
      max: CONNECTIONS,
      idleTimeoutMillis: 60_000,
      // It may have become a standby since, which would answer with what was.
      onConnect: refuseStandby,
    });
    // Of connections that are not in use, and of those that are, whose statement fails as well.
    pool.on('error', () => undefined);
    pool.on('connect', (made) => made.on('error', () => undefined));
    return pool;
  }

  async #find(): Promise<{ client: Client; url: string }> {
    let failure: unknown = away('no address is given');
    for (const url of this.#urls) {
      let client: Client | undefined;
      try {
        client = new Client(settingsOf(url));
        client.on('error', () => undefined);
        await client.connect();
        await refuseStandby(client);
        return { client, url };
      } catch (error) {
        failure = connectFailure(error);
      }
      client?.end().catch(() => undefined);
    }
    throw failure;
  }
}

async function refuseStandby(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
  if (rows[0]!.standby) throw away('the server is a standby');
}

/** Does this in a transaction of the connection. */
export async function transact<Result>(client: PoolClient, act: () => Promise<Result>): Promise<Result> {
  await client.query('BEGIN');
  try {
    const result = await act();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // Of a connection that is lost the server ends the transaction.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

function saysAway(failure: unknown): boolean {
  return failure instanceof BouhekiError ? failure.code === 'fleet-away' : isAway(failure);
}

/** All connections are in use, and none became free in time: more of them would not help. */
function isBusy(error: unknown): boolean {
  return (error as Error).message === 'timeout exceeded when trying to connect';
}

function settingsOf(url: string): ClientConfig {
  return {
    connectionString: url,
    application_name: 'bouheki hub',
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    statement_timeout: STATEMENT_TIMEOUT,
    // Where the network is cut no answer comes, not even of the server's own limit.
    query_timeout: STATEMENT_TIMEOUT + CONNECT_TIMEOUT,
    idle_in_transaction_session_timeout: IDLE_TIMEOUT,
    options: `-c search_path=bouheki,pg_catalog ${KEEPALIVE}`,
    ...(NUMBERS === undefined ? {} : { types: NUMBERS }),
  };
}
