import type { DuckDBValue } from '@duckdb/node-api';
import { connect, type Socket } from 'node:net';
import { BouhekiError } from '../error/error.ts';
import { FrameDecoder, sendFrame } from './frame.ts';
import type { LiveStatus } from './live-status.ts';
import {
  failureError,
  MAX_MESSAGE,
  PROTOCOL,
  type Failure,
  type Greeting,
  type Response,
} from './protocol.ts';
import type { Answer, Form, RecordSource, Value } from './record-source.ts';
import { MIGRATIONS } from './schema-sql.ts';
import { withSocketPathSync } from './socket-path.ts';

/** The record as the process that writes it shows it. */
export class RemoteSource implements RecordSource {
  readonly #socket: Socket;
  readonly #messages: AsyncGenerator<unknown>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#messages = messagesOf(socket);
  }

  /**
   * Connects to the recorder of a database. Throws the system's error when none listens, and BouhekiError `store-busy`
   * when it is another version of bouheki or has too many readers.
   */
  static async connect(databasePath: string): Promise<RemoteSource> {
    const socket = withSocketPathSync(databasePath, (path) => connect(path));
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', resolve);
    });
    // From here on an error ends the stream of messages.
    socket.on('error', () => undefined);
    const source = new RemoteSource(socket);
    try {
      await source.#meet(databasePath);
      return source;
    } catch (error) {
      source.close();
      throw error;
    }
  }

  async ask(sql: string, values: readonly DuckDBValue[], form: Form): Promise<Answer> {
    await sendFrame(this.#socket, { ask: { sql, values, form } });
    const first = await this.#next();
    if (!('names' in first)) throw garbled();
    return { names: first.names, parts: this.#parts() };
  }

  /** What the recorder tells about itself. */
  async status(): Promise<LiveStatus> {
    await sendFrame(this.#socket, { status: true });
    const answer = await this.#next();
    if (!('status' in answer)) throw garbled();
    return answer.status;
  }

  close(): void {
    this.#socket.destroy();
  }

  async *#parts(): AsyncGenerator<Value[][]> {
    let ended = false;
    try {
      for (;;) {
        const part = await this.#message();
        ended = 'end' in part || 'failure' in part;
        if ('failure' in part) throw failureError(part.failure);
        if ('end' in part) return;
        if (!('columns' in part)) throw garbled();
        yield part.columns;
      }
    } finally {
      // The rest of an answer that nobody reads would be taken for the next one.
      if (!ended) this.close();
    }
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

  async #next(): Promise<Exclude<Response, { failure: Failure }>> {
    const response = await this.#message();
    if ('failure' in response) throw failureError(response.failure);
    return response;
  }

  async #message(): Promise<Response> {
    const { done, value } = await this.#messages.next();
    if (done === true) {
      throw new BouhekiError('store-busy', 'the recorder ended, or sent us away, before it had answered', {
        remedy: 'Try again.',
      });
    }
    return value as Response;
  }
}

async function* messagesOf(socket: Socket): AsyncGenerator<unknown> {
  const decoder = new FrameDecoder(MAX_MESSAGE);
  try {
    for await (const bytes of socket) yield* decoder.push(bytes as Buffer);
  } catch {
    // A connection that breaks ends the messages; whoever waits for one says so.
  }
}

function garbled(): Error {
  return new Error('the recorder sent what is no answer');
}
