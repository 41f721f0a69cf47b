import { connect } from 'node:net';
import type { Call } from './grpc.ts';

/**
 * Puts a question to the runtimes behind some unix sockets, one after the other, until one has an answer.
 * Undefined where none has and where no process listens. Rejects with the first failure when one has failed
 * and no other has an answer, or with the reason of `signal`. The library for gRPC is not loaded before a
 * socket is open.
 */
export async function askOffered<Facts>(
  sockets: readonly string[],
  signal: AbortSignal,
  question: (call: Call) => Promise<Facts | undefined>,
): Promise<Facts | undefined> {
  let failure: unknown;
  for (const socket of sockets) {
    try {
      if (!(await isOffered(socket))) continue;
      const { questionOver } = await import('./grpc.ts');
      const facts = await questionOver(socket, signal, question);
      if (facts !== undefined) return facts;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
  return undefined;
}

/**
 * Whether a process listens on a socket, which is opened and closed: that is done or refused at once. Rejects
 * with the error of the socket, EACCES say, for which the library would have words of its own.
 */
function isOffered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(false);
      else reject(error);
    });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
