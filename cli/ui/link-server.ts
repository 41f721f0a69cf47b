import { createServer, type Server, type Socket } from 'node:net';
import { peerOf } from '../../bpf/peer.ts';
import { visible } from '../../error/visible.ts';
import { encodeFrame, FrameDecoder } from '../../profiler/serve/frame.ts';
import { connectBeside, isTrustedPeer, LINK_SOCKET, listenBeside } from '../../profiler/serve/socket-path.ts';
import { isLinkRequest, MOST_LINK_BYTES, type LinkAnswer } from './link-message.ts';

/** Who may ask at a time, and how long a question may take to arrive, milliseconds. */
const MOST = 8;
const PATIENCE = 5000;

/** Gives another link to root and the user whose `ui` this is, at `PATH.ui` beside the record. */
export class LinkServer {
  /** Where other links can't be had here, a line that says so; else nothing. */
  readonly said: string;
  readonly #server: Server | undefined;
  readonly #asking = new Set<Socket>();

  private constructor(said: string, server?: Server) {
    this.said = said;
    this.#server = server;
  }

  /** Serves all the same where there can be no socket: then there is the first link alone. */
  static async listen(db: string, another: () => Promise<string>): Promise<LinkServer> {
    const server = createServer();
    try {
      const holder = await holderOf(db);
      if (holder !== undefined) {
        return new LinkServer(
          `There is this one link alone: --link asks process ${holder}, which serves this record.\n`,
        );
      }
      await listenBeside(db, LINK_SOCKET, server);
    } catch (error) {
      const why = visible((error as Error).message);
      return new LinkServer(
        `There is this one link alone: cannot listen at ${visible(db)}${LINK_SOCKET}: ${why}\n`,
      );
    }
    const links = new LinkServer('', server);
    server.maxConnections = MOST;
    server.on('error', () => undefined).unref();
    server.on('connection', (socket) => links.#welcome(socket, another));
    return links;
  }

  close(): void {
    this.#server?.close();
    for (const socket of this.#asking) socket.destroy();
  }

  #welcome(socket: Socket, another: () => Promise<string>): void {
    socket.on('error', () => undefined);
    // The mode of the socket says so as well, but its descriptor may have been passed to another user.
    if (!isTrustedPeer(socket)) return void socket.destroy();
    this.#asking.add(socket);
    const patience = setTimeout(() => socket.destroy(), PATIENCE).unref();
    socket.once('close', () => {
      clearTimeout(patience);
      this.#asking.delete(socket);
    });
    this.#answer(socket, another).catch(() => socket.destroy());
  }

  async #answer(socket: Socket, another: () => Promise<string>): Promise<void> {
    const decoder = new FrameDecoder(MOST_LINK_BYTES);
    for await (const bytes of socket) {
      for (const request of decoder.push(bytes as Buffer)) {
        if (!isLinkRequest(request)) return void socket.destroy();
        socket.end(encodeFrame({ link: await another() } satisfies LinkAnswer));
        return;
      }
    }
  }
}

/** The process that answers at the socket of a record already. */
async function holderOf(db: string): Promise<number | undefined> {
  let socket: Socket | undefined;
  try {
    socket = await connectBeside(db, LINK_SOCKET);
    return peerOf((socket as unknown as { _handle: { fd: number } })._handle.fd).pid;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return undefined;
    throw error;
  } finally {
    socket?.destroy();
  }
}
