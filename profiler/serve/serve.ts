import { createServer, type Server, type Socket } from 'node:net';
import { BouhekiError } from '../../error/error.ts';
import type { CheckpointHold } from '../database/checkpoint-hold.ts';
import { Feed } from './feed.ts';
import { FrameDecoder, sendFrame } from './frame.ts';
import type { KeptFile } from '../database/kept-file.ts';
import type { LiveStatus } from './live-status.ts';
import {
  describeFailure,
  MAX_REQUEST,
  PROTOCOL,
  type Greeting,
  type Request,
  type Response,
} from './protocol.ts';
import { MIGRATIONS } from '../database/schema-sql.ts';
import { isTrustedPeer, listenBeside, RECORD_SOCKET } from './socket-path.ts';

/** Readers that may be connected at a time. They copy the files and hang up; then they ask their copy. */
const MAX_READERS = 8;
/** How long a reader may stay, milliseconds: while it holds off checkpoints the log grows. */
const PATIENCE = 60_000;

/** What readers learn of the recorder. */
interface Recorder {
  pid: number;
  status(): LiveStatus | Promise<LiveStatus>;
}

/**
 * Informs readers about this recorder, lets them copy its files undisturbed, and sends those who watch what is
 * recorded from then on. It never runs what a reader
 * asks: nothing that a reader sends can cost more than a message of a few bytes, or get at the database.
 */
export class RecordServer {
  /** To be given all that is written. */
  readonly feed = new Feed();
  readonly #server: Server;
  readonly #hold: CheckpointHold;
  readonly #recorder: Recorder;
  readonly #readers = new Map<Socket, Promise<void>>();
  /** Of these, those who watch: they stay, and are in no other reader's way. */
  readonly #watching = new Set<Socket>();

  readonly #databasePath: string;
  #socket: KeptFile | undefined;

  private constructor(databasePath: string, hold: CheckpointHold, recorder: Recorder) {
    this.#databasePath = databasePath;
    this.#hold = hold;
    this.#recorder = recorder;
    this.#server = createServer((socket) => this.#welcome(socket));
  }

  /**
   * Listens at `PATH.sock`, open to the owner alone. Call it with the recorder's lock held: a socket that
   * lies there is then one that a killed recorder left. Throws what the system says when there can be no
   * socket.
   */
  static async listen(databasePath: string, hold: CheckpointHold, recorder: Recorder): Promise<RecordServer> {
    const serving = new RecordServer(databasePath, hold, recorder);
    await serving.#listen();
    // A reader must not keep the process alive, nor an error of one connection end it.
    serving.#server.on('error', () => undefined);
    serving.#server.unref();
    return serving;
  }

  /** Whether its socket has been removed, or another one put in its place. */
  get lost(): boolean {
    return this.#socket?.there === false;
  }

  /** Makes the socket again. Throws what the system says. */
  async listenAgain(): Promise<void> {
    this.#socket = undefined;
    this.#server.close();
    await this.#listen();
    this.#server.unref();
  }

  async #listen(): Promise<void> {
    this.#socket = await listenBeside(this.#databasePath, RECORD_SOCKET, this.#server);
  }

  /** Disconnects all readers. */
  async close(): Promise<void> {
    await this.feed.end();
    this.closeSync();
    await Promise.all(this.#readers.values());
  }

  /** As `close`, without the wait. */
  closeSync(): void {
    this.#server.close();
    for (const socket of this.#readers.keys()) socket.destroy();
  }

  #welcome(socket: Socket): void {
    // What goes wrong with a connection ends it, and nothing else.
    socket.on('error', () => undefined);
    // The mode of the socket says so as well, but its descriptor may have been passed to another user.
    if (!isTrustedPeer(socket)) return void socket.destroy();
    if (this.#readers.size - this.#watching.size >= MAX_READERS) {
      const failure = new BouhekiError('store-busy', `the recorder already answers ${MAX_READERS} readers`, {
        remedy: 'Try again in a moment.',
      });
      sendFrame(socket, { failure: describeFailure(failure) }).catch(() => undefined);
      socket.end();
      return;
    }
    const served = this.#serve(socket)
      .catch(() => undefined)
      .finally(() => {
        socket.destroy();
        this.#readers.delete(socket);
        this.#watching.delete(socket);
      });
    this.#readers.set(socket, served);
  }

  async #serve(socket: Socket): Promise<void> {
    socket.unref();
    const patience = setTimeout(() => socket.destroy(), PATIENCE).unref();
    try {
      const greeting: Greeting = {
        bouheki: 'recorder',
        protocol: PROTOCOL,
        schema: MIGRATIONS.length,
        pid: this.#recorder.pid,
      };
      await sendFrame(socket, greeting);
      const decoder = new FrameDecoder(MAX_REQUEST);
      for await (const bytes of socket) {
        for (const request of decoder.push(bytes as Buffer)) {
          const answer = await this.#answer(socket, request as Request);
          await sendFrame(socket, answer);
          if (!('watching' in answer)) continue;
          clearTimeout(patience);
          this.feed.subscribe(socket);
        }
      }
    } finally {
      clearTimeout(patience);
      await this.#hold.release(socket);
    }
  }

  async #answer(socket: Socket, request: Request): Promise<Response> {
    try {
      if (this.#watching.has(socket)) throw new BouhekiError('usage', 'who watches can ask nothing more');
      if ('status' in request) return { status: await this.#recorder.status() };
      if ('watch' in request) return await this.#admit(socket);
      if (!('hold' in request)) throw new BouhekiError('usage', 'that is no request to a recorder');
      await this.#hold.take(socket);
      return { held: true };
    } catch (error) {
      return { failure: describeFailure(error) };
    }
  }

  async #admit(socket: Socket): Promise<Response> {
    if (this.feed.full) {
      throw new BouhekiError('store-busy', 'as many watch this recorder as may', {
        remedy: 'End one of the others: they run `bouheki watch`.',
      });
    }
    this.#watching.add(socket);
    // It may stay for long.
    await this.#hold.release(socket);
    return { watching: true };
  }
}
