import { request } from 'node:http';

/** More than this is no answer about a container, bytes. */
const MOST = 4 << 20;

/**
 * Asks the API of docker or podman on its unix socket. Returns the JSON of the answer, undefined when there
 * is no such thing (404). Rejects with the error of the socket, the reason of `signal`, or what is wrong with
 * the answer.
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
        try {
          if (answer.statusCode === 404) resolve(undefined);
          else if (answer.statusCode !== 200) reject(new Error(`the answer is HTTP ${answer.statusCode}`));
          else resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
        } catch (error) {
          reject(error as Error);
        }
      });
    });
    asked.on('error', (error) => reject(signal.aborted ? (signal.reason as Error) : error));
    asked.end();
  });
}
