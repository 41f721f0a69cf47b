import { request } from 'node:http';
import { RuntimeFailure } from './runtime.ts';

/** More than this is no answer about a container, bytes. */
const MOST = 4 << 20;
/** Characters of the engine's own message that are passed on. */
const MOST_TOLD = 200;

/**
 * Asks the API of docker or podman on its unix socket. Returns the JSON of the answer, undefined when there
 * is no such thing (404). Rejects with the error of the socket, the reason of `signal`, a `RuntimeFailure` where
 * the engine says that it failed (500 and above), or what is wrong with the answer.
 */
export function askEngine(socketPath: string, path: string, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, signal, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      let size = 0;
      answer.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > MOST) answer.destroy(new Error('the answer is too long'));
      });
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        try {
          if (answer.statusCode === 404) resolve(undefined);
          else if (answer.statusCode !== 200) reject(refusal(answer.statusCode!, text));
          else resolve(JSON.parse(text));
        } catch (error) {
          reject(error as Error);
        }
      });
    });
    asked.on('error', (error) => reject(signal.aborted ? (signal.reason as Error) : error));
    asked.end();
  });
}

/** What an answer that is neither 200 nor 404 says: its status, and the engine's own `message` where there is one. */
function refusal(status: number, text: string): Error {
  const told = `the answer is HTTP ${status}${messageIn(text)}`;
  return status >= 500 ? new RuntimeFailure(told) : new Error(told);
}

function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' && message !== '' ? `: ${message.slice(0, MOST_TOLD)}` : '';
  } catch {
    return '';
  }
}
