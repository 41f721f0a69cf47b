import { lstatSync } from 'node:fs';
import { request } from 'node:http';
import { BouhekiError } from '../../error/error.ts';
import { isTrusted } from '../../host/trust.ts';
import { failureError } from '../../profiler/serve/protocol.ts';
import { connectBeside, CONTROL_SOCKET } from '../../profiler/serve/socket-path.ts';
import type { ControlAnswer, ControlRequest } from './control-request.ts';

/** How long an answer may take, milliseconds: a policy may wait for what its paths mean in containers. */
const PATIENCE = 60_000;

/**
 * Asks who enforces beside a database, and returns what was done in words. Throws BouhekiError: what was answered
 * instead, `no-data` where nothing enforces there, `privilege` where the caller may not ask, `untrusted` where another
 * user answers.
 */
export async function askControl(databasePath: string, asked: ControlRequest): Promise<string> {
  const socket = await connectBeside(databasePath, CONTROL_SOCKET).catch((error: NodeJS.ErrnoException) => {
    throw whyNot(databasePath, error);
  });
  const answer = await new Promise<ControlAnswer>((resolve, reject) => {
    const lost = (): void =>
      reject(
        new BouhekiError('store-busy', 'who enforces ended before it had answered', {
          remedy: 'See `bouheki status`.',
        }),
      );
    const sent = request(
      { method: 'POST', path: '/', createConnection: () => socket, timeout: PATIENCE },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', lost);
        response.on('end', () => {
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')) as ControlAnswer);
          } catch {
            lost();
          }
        });
      },
    );
    sent.on('error', lost);
    sent.on('timeout', () => sent.destroy());
    sent.end(JSON.stringify(asked));
  }).finally(() => socket.destroy());
  if ('failure' in answer) throw failureError(answer.failure);
  return answer.said;
}

function whyNot(databasePath: string, error: NodeJS.ErrnoException): Error {
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') {
    return new BouhekiError('no-data', `no \`bouheki enforce\` runs with ${databasePath}`, {
      remedy: 'name its database with --db, or start it',
      cause: error,
    });
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new BouhekiError('privilege', `${databasePath}.control is closed to you`, {
      remedy: 'ask as the user who enforces: root, where it was started with sudo',
      cause: error,
    });
  }
  return error instanceof BouhekiError && error.code === 'untrusted'
    ? askAsOwner(databasePath, error)
    : error;
}

/** A caller cannot know what answers beside a record of another user, whose enforcer that user can ask. */
function askAsOwner(databasePath: string, refusal: BouhekiError): BouhekiError {
  const uid = lstatSync(`${databasePath}${CONTROL_SOCKET}`, { throwIfNoEntry: false })?.uid;
  if (uid === undefined || isTrusted(uid)) return refusal;
  return new BouhekiError('untrusted', refusal.message, {
    remedy: `ask as uid ${uid}, who made its socket: put \`sudo -u '#${uid}'\` before the command. Or end what enforces`,
    cause: refusal,
  });
}
