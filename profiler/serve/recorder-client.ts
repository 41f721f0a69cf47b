import type { Socket } from 'node:net';
import { BouhekiError } from '../../error/error.ts';
import type { FeedMessage } from './feed.ts';
import { batchIn } from './batch-frame.ts';
import { FrameDecoder, sendFrame } from './frame.ts';
import type { LiveStatus } from './live-status.ts';
import {
  failureError,
  MAX_MESSAGE,
  PROTOCOL,
  type Failure,
  type Greeting,
  type Request,
  type Response,
} from './protocol.ts';
import { MIGRATIONS } from '../database/schema-sql.ts';
import { connectBeside, RECORD_SOCKET } from './socket-path.ts';

/** A connection to the process that writes a record. */
export class RecorderClient {
  readonly #socket: Socket;
  readonly #messages: AsyncGenerator<unknown>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#messages = messagesOf(socket);
  }

  /**
   * Connects to the recorder of a database. Throws the system's error when none listens, and BouhekiError
   * `store-busy` when it is another version of bouheki or has too many readers, `untrusted` when it is
   * another user's.
   */
  static async connect(databasePath: string): Promise<RecorderClient> {
    const socket = await connectBeside(databasePath, RECORD_SOCKET);
    // From here on an error ends the stream of messages.
    socket.on('error', () => undefined);
    const client = new RecorderClient(socket);
    try {
      await client.#meet(databasePath);
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** What the recorder reports about itself. */
  async status(): Promise<LiveStatus> {
    const answer = await this.#ask({ status: true });
    if (!('status' in answer)) throw garbled();
    return answer.status;
  }

  /**
   * Keeps the recorder from checkpoints until `close`, so that its file can be copied; for a minute at the
   * most.
   */
  async hold(): Promise<void> {
    if (!('held' in (await this.#ask({ hold: true })))) throw garbled();
  }

  /**
   * What is recorded from now on, until the recorder ends or hangs up. To be asked last: there are no other answers
   * after it. Throws BouhekiError `store-busy` when too many watch.
   */
  async watch(): Promise<AsyncGenerator<FeedMessage>> {
    if (!('watching' in (await this.#ask({ watch: true })))) throw garbled();
    return this.#messages as AsyncGenerator<FeedMessage>;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #meet(databasePath: string): Promise<void> {
    const greeting = (await this.#next()) as unknown as Greeting;
    if (greeting.protocol === PROTOCOL && greeting.schema === MIGRATIONS.length) return;
    throw new BouhekiError(
      'store-busy',
      `${databasePath} is being recorded by process ${greeting.pid}, which is another version of bouheki`,
      { remedy: 'Restart that process with this version, or read with the version that it is.' },
    );
  }

  async #ask(request: Request): Promise<Exclude<Response, { failure: Failure }>> {
    await sendFrame(this.#socket, request);
    return await this.#next();
  }

  async #next(): Promise<Exclude<Response, { failure: Failure }>> {
    const { done, value } = await this.#messages.next();
    if (done === true) {
      throw new BouhekiError('store-busy', 'the recorder ended, or sent us away, before it had answered', {
        remedy: 'Try again.',
      });
    }
    const response = value as Response;
    if ('failure' in response) throw failureError(response.failure);
    return response;
  }
}

async function* messagesOf(socket: Socket): AsyncGenerator<unknown> {
  const decoder = new FrameDecoder(MAX_MESSAGE);
  try {
    for await (const bytes of socket) {
      for (const message of decoder.push(bytes as Buffer))
        yield message instanceof Uint8Array ? { batch: batchIn(message) } : message;
    }
  } catch {
    // A connection that breaks ends the messages; the code that waits for one reports it.
  }
}

function garbled(): Error {
  return new Error('the recorder sent what is no answer');
}
