import type { Socket } from 'node:net';
import { BouhekiError } from '../../error/error.ts';
import { encodeFrame, FrameDecoder } from '../../profiler/serve/frame.ts';
import { connectBeside, LINK_SOCKET } from '../../profiler/serve/socket-path.ts';
import { MOST_LINK_BYTES, type LinkAnswer, type LinkRequest } from './link-message.ts';

/** How long an answer may take, milliseconds. */
const PATIENCE = 10_000;

/** Prints another link of the `ui` that runs on a record. */
export async function printLink(db: string): Promise<void> {
  const link = await askLink(db);
  process.stderr.write('Open this link, which works once. One that was printed before works no more.\n');
  process.stdout.write(`${link}\n`);
}

async function askLink(db: string): Promise<string> {
  const socket = await connectBeside(db, LINK_SOCKET).catch((error: unknown) => {
    throw whyNot(db, error as NodeJS.ErrnoException);
  });
  socket.on('error', () => undefined).setTimeout(PATIENCE, () => socket.destroy());
  try {
    socket.write(encodeFrame({ anotherLink: true } satisfies LinkRequest));
    return await answerFrom(socket, db);
  } finally {
    socket.destroy();
  }
}

async function answerFrom(socket: Socket, db: string): Promise<string> {
  const decoder = new FrameDecoder(MOST_LINK_BYTES);
  try {
    for await (const bytes of socket)
      for (const answer of decoder.push(bytes as Buffer)) return (answer as LinkAnswer).link;
  } catch {
    // As where it ends without an answer.
  }
  throw new BouhekiError('store-busy', `the one that answers links of ${db} ended before it had answered`, {
    remedy: 'Start `bouheki ui` again, and take the link that it prints.',
  });
}

function whyNot(db: string, error: NodeJS.ErrnoException): Error {
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') {
    return new BouhekiError('no-data', `no \`bouheki ui\` runs on ${db}`, {
      remedy: 'Start it: bouheki ui; or name its record with --db.',
      cause: error,
    });
  }
  if (error.code !== 'EACCES' && error.code !== 'EPERM') return error;
  return new BouhekiError('privilege', `${db}${LINK_SOCKET} is closed to you`, {
    remedy: 'Ask as root, or as the user whose `bouheki ui` it is.',
    cause: error,
  });
}
