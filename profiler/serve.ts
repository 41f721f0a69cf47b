import type { DuckDBConnection } from '@duckdb/node-api';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as immediate } from 'node:timers/promises';
import { BouhekiError } from '../error/error.ts';
import type { Allowance } from './allowance.ts';
import { FrameDecoder, sendFrame } from './frame.ts';
import type { LiveStatus } from './live-status.ts';
import { withPrivateFilesSync } from './private-files.ts';
import {
  describeFailure,
  type Ask,
  MAX_REQUEST,
  PROTOCOL,
  type Greeting,
  type Request,
  type Response,
} from './protocol.ts';
import { MIGRATIONS } from './schema-sql.ts';
import { Snapshot } from './snapshot.ts';
import { withSocketPathSync } from './socket-path.ts';

/** Readers at a time. */
const MAX_READERS = 8;
/** A reader that asks nothing or takes nothing for so long is sent away, milliseconds: its view holds old rows. */
const PATIENCE = 60_000;
/** Rows of one answer. */
const MAX_ROWS = 50_000_000;

/**
 * Answers readers while this process holds the database. Statements run on DuckDB's threads; here an answer is passed
 * on in parts of at most 2,048 rows, with the event loop free in between, so that the rings are read in time.
 */
export class RecordServer {
  readonly #server: Server;
  readonly #connect: () => Promise<DuckDBConnection>;
  readonly #allowance: Allowance;
  readonly #status: () => LiveStatus | Promise<LiveStatus>;
  readonly #readers = new Map<Socket, Promise<void>>();
  readonly #snapshots = new Set<Snapshot>();
  /** How often statements were stopped for their memory. */
  #relieved = 0;

  private constructor(
    connect: () => Promise<DuckDBConnection>,
    allowance: Allowance,
    status: () => LiveStatus | Promise<LiveStatus>,
  ) {
    this.#connect = connect;
    this.#allowance = allowance;
    this.#status = status;
    this.#server = createServer((socket) => this.#welcome(socket));
  }

  /**
   * Listens at `PATH.sock`, open to the owner alone. Call it with the recorder's lock held: a socket that lies there is
   * then one that a killed recorder left. Throws what the system says when there can be no socket.
   */
  static async listen(
    databasePath: string,
    connect: () => Promise<DuckDBConnection>,
    allowance: Allowance,
    status: () => LiveStatus | Promise<LiveStatus>,
  ): Promise<RecordServer> {
    const serving = new RecordServer(connect, allowance, status);
    const server = serving.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.once('listening', resolve);
      withSocketPathSync(databasePath, (path) => {
        rmSync(path, { force: true });
        withPrivateFilesSync(() => server.listen(path));
        if (server.listening) chmodSync(path, 0o600);
      });
    });
    // A reader must not keep the process alive, nor an error of one connection end it.
    server.on('error', () => undefined);
    server.unref();
    return serving;
  }

  /** Sends everybody away and waits until the last statement has stopped. */
  async close(): Promise<void> {
    this.closeSync();
    await Promise.all(this.#readers.values());
  }

  /** Stops every statement that runs, for the memory that it uses: recording comes first. */
  relieve(): void {
    this.#relieved += 1;
    for (const snapshot of this.#snapshots) snapshot.interrupt();
  }

  /** As `close`, without the wait. */
  closeSync(): void {
    this.#server.close();
    for (const socket of this.#readers.keys()) socket.destroy();
  }

  #welcome(socket: Socket): void {
    if (this.#readers.size >= MAX_READERS) {
      const failure = new BouhekiError('store-busy', `the recorder already answers ${MAX_READERS} readers`, {
        remedy: 'Try again in a moment.',
      });
      socket.on('error', () => undefined);
      sendFrame(socket, { failure: describeFailure(failure) }).catch(() => undefined);
      socket.end();
      return;
    }
    const served = this.#serve(socket)
      .catch(() => undefined)
      .finally(() => {
        socket.destroy();
        this.#readers.delete(socket);
      });
    this.#readers.set(socket, served);
  }

  async #serve(socket: Socket): Promise<void> {
    socket.unref();
    socket.on('timeout', () => socket.destroy());
    // What goes wrong with a connection ends the loop below, or the statement that runs.
    socket.on('error', () => undefined);
    const snapshot = new Snapshot(await this.#connect());
    this.#snapshots.add(snapshot);
    const interrupt = (): void => snapshot.interrupt();
    socket.on('close', interrupt);
    try {
      await snapshot.begin();
      const greeting: Greeting = {
        bouheki: 'recorder',
        protocol: PROTOCOL,
        schema: MIGRATIONS.length,
        pid: process.pid,
      };
      await sendFrame(socket, greeting);
      const decoder = new FrameDecoder(MAX_REQUEST);
      socket.setTimeout(PATIENCE);
      for await (const bytes of socket) {
        for (const request of decoder.push(bytes as Buffer)) {
          await this.#answer(socket, snapshot, request as Request);
        }
      }
    } finally {
      socket.off('close', interrupt);
      this.#snapshots.delete(snapshot);
      snapshot.close();
    }
  }

  async #answer(socket: Socket, snapshot: Snapshot, request: Request): Promise<void> {
    // The clock runs while the reader is to act, not while a statement takes its time.
    const send = async (response: Response): Promise<void> => {
      socket.setTimeout(PATIENCE);
      await sendFrame(socket, response);
    };
    if ('status' in request) return await send({ status: await this.#status() });
    await this.#allowance.during(() => this.#pass(socket, snapshot, request.ask, send));
  }

  async #pass(
    socket: Socket,
    snapshot: Snapshot,
    { sql, values, form }: Ask,
    send: (response: Response) => Promise<void>,
  ): Promise<void> {
    const relieved = this.#relieved;
    try {
      socket.setTimeout(0);
      const { names, parts } = await snapshot.ask(sql, values, form);
      await send({ names });
      socket.setTimeout(0);
      let rows = 0;
      for await (const columns of parts) {
        rows += columns[0]?.length ?? 0;
        if (rows > MAX_ROWS) throw tooMuch();
        await send({ columns });
        socket.setTimeout(0);
        await immediate();
      }
      return await send({ end: true });
    } catch (error) {
      return await send({ failure: describeFailure(relieved === this.#relieved ? error : tooHungry()) });
    }
  }
}

function tooHungry(): BouhekiError {
  return new BouhekiError('store-busy', 'the recorder needed the memory that this took', {
    remedy: 'Narrow it down, with --since say, or ask when the recording has ended.',
  });
}

function tooMuch(): BouhekiError {
  return new BouhekiError('usage', `the answer has more than ${MAX_ROWS.toLocaleString('en-US')} rows`, {
    remedy: 'Narrow it down, or ask when the recording has ended.',
  });
}
