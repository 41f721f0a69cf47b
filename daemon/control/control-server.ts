import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { BouhekiError } from '../../error/error.ts';
import type { KeptFile } from '../../profiler/database/kept-file.ts';
import { describeFailure } from '../../profiler/serve/protocol.ts';
import { CONTROL_SOCKET, isTrustedPeer, listenBeside } from '../../profiler/serve/socket-path.ts';
import { type ControlAnswer, type ControlRequest, LONGEST_TRIAL, MOST_REQUEST } from './control-request.ts';

/** Connections at a time: who asks has an answer in a moment. */
const MOST_CONNECTIONS = 8;
/** How long a request may take to arrive, milliseconds. */
const PATIENCE = 10_000;

/**
 * Listens at `PATH.control` beside a record to root and the user of the recorder, who confirm, take back and apply
 * policies: one POST with a JSON document, and one as the answer.
 */
export class ControlServer {
  readonly #server: Server;
  readonly #databasePath: string;
  readonly #handle: (request: ControlRequest) => Promise<string>;
  #socket: KeptFile | undefined;
  #listening = false;

  private constructor(databasePath: string, handle: (request: ControlRequest) => Promise<string>) {
    this.#databasePath = databasePath;
    this.#handle = handle;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.maxConnections = MOST_CONNECTIONS;
    this.#server.requestTimeout = PATIENCE;
    this.#server.headersTimeout = PATIENCE;
    // The mode of the socket says so as well, but its descriptor may have been passed to another user.
    this.#server.on('connection', (socket: Socket) => {
      socket.unref();
      if (!isTrustedPeer(socket)) socket.destroy();
    });
  }

  /** `handle` does what is asked for and returns what there is to say; what it throws is the answer. */
  static async listen(
    databasePath: string,
    handle: (request: ControlRequest) => Promise<string>,
  ): Promise<ControlServer> {
    const control = new ControlServer(databasePath, handle);
    await control.#listen();
    control.#server.on('error', () => undefined);
    return control;
  }

  /** Makes the socket again where it was removed. To be called now and then; returns why that was not possible. */
  async tick(): Promise<string | undefined> {
    if (this.#socket?.there !== false || this.#listening) return undefined;
    this.#server.close();
    try {
      await this.#listen();
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #listen(): Promise<void> {
    this.#listening = true;
    try {
      this.#socket = await listenBeside(this.#databasePath, CONTROL_SOCKET, this.#server);
    } finally {
      this.#listening = false;
    }
    this.#server.unref();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: ControlAnswer;
    try {
      answer = { said: await this.#handle(await bodyOf(request)) };
    } catch (error) {
      answer = { failure: describeFailure(error) };
    }
    response.writeHead('said' in answer ? 200 : 409, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  }
}

async function bodyOf(request: IncomingMessage): Promise<ControlRequest> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_REQUEST) throw unknown();
    chunks.push(chunk);
  }
  try {
    const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as ControlRequest;
    if (isRequest(body)) return body;
  } catch {
    // As below.
  }
  throw unknown();
}

/** What is asked with nothing beside it. */
const PLAIN: ReadonlySet<unknown> = new Set<ControlRequest['ask']>([
  'confirm',
  'rollback',
  'resume',
  'rearm',
]);

function isRequest(body: unknown): body is ControlRequest {
  if (typeof body !== 'object' || body === null || !('ask' in body)) return false;
  if ('key' in body && typeof body.key !== 'string') return false;
  if (PLAIN.has(body.ask)) return true;
  if (body.ask === 'pause') return isPause(body);
  if (!('file' in body) || typeof body.file !== 'string') return false;
  if (body.ask === 'shadow') return true;
  if (body.ask !== 'apply') return false;
  return !('within' in body) || isTrial(body.within);
}

/** Whether it is a time that a policy may be tried for, in seconds. */
function isTrial(seconds: unknown): boolean {
  return typeof seconds === 'number' && seconds > 0 && seconds <= LONGEST_TRIAL;
}

/** Whose values are of their types: what they say is looked at where it is understood. */
function isPause(body: object): boolean {
  if (!('seconds' in body) || !isTrial(body.seconds)) return false;
  if ('why' in body && typeof body.why !== 'string') return false;
  if (!('exempt' in body) || typeof body.exempt !== 'object' || body.exempt === null) return false;
  return Object.entries(body.exempt).every(([key, value]) =>
    key === 'uid' ? typeof value === 'number' : EXEMPTIONS.has(key) && typeof value === 'string',
  );
}

const EXEMPTIONS: ReadonlySet<string> = new Set(['exe', 'unit', 'container', 'to']);

function unknown(): BouhekiError {
  return new BouhekiError('usage', 'that is no request to who enforces');
}
