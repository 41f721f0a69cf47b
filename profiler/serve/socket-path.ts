import { chmodSync, rmSync } from 'node:fs';
import { connect, type Server, type Socket } from 'node:net';
import { peerOf } from '../../bpf/peer.ts';
import { BouhekiError } from '../../error/error.ts';
import { isTrusted } from '../../host/trust.ts';
import { KeptFile } from '../database/kept-file.ts';
import { withPrivateFilesSync } from '../database/private-files.ts';
import { RecordPlace } from '../database/record-place.ts';

/** Bytes of sun_path in sockaddr_un, its NUL left out. */
const LONGEST = 107;

/**
 * What the sockets beside a database are for: readers ask the first, who is in charge speaks to the second, and who wants
 * another link of `ui` asks the third.
 */
export const RECORD_SOCKET = '.sock';
export const CONTROL_SOCKET = '.control';
export const LINK_SOCKET = '.ui';

export type SocketSuffix = typeof RECORD_SOCKET | typeof CONTROL_SOCKET | typeof LINK_SOCKET;

/**
 * Calls `work` with a path to a socket beside a database that is short enough for the kernel. A longer one
 * goes through an open descriptor of its directory, which is good only until `work` returns. Throws as
 * `RecordPlace.open`.
 */
function withSocketPathSync<T>(databasePath: string, suffix: SocketSuffix, work: (path: string) => T): T {
  using place = RecordPlace.open(databasePath, 'find');
  const path = `${place.path}${suffix}`;
  return work(Buffer.byteLength(path) <= LONGEST ? path : place.at(suffix));
}

/**
 * Listens at a socket beside a database, open to the owner alone. Call it with the recorder's lock held, or when nobody
 * answers: a socket that lies there is then one that a kill has left. Throws what the system says when there can be no socket.
 */
export async function listenBeside(
  databasePath: string,
  suffix: SocketSuffix,
  server: Server,
): Promise<KeptFile> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    withSocketPathSync(databasePath, suffix, (path) => {
      rmSync(path, { force: true });
      withPrivateFilesSync(() => server.listen(path));
      if (server.listening) chmodSync(path, 0o600);
    });
  });
  return new KeptFile(`${databasePath}${suffix}`);
}

/**
 * A connection to a socket beside a database, made sure of before anything is sent or read: it must be answered by
 * root or ourselves. Throws BouhekiError `untrusted`, and the system's error when none listens.
 */
export async function connectBeside(databasePath: string, suffix: SocketSuffix): Promise<Socket> {
  const socket = withSocketPathSync(databasePath, suffix, (path) => connect(path));
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', resolve);
  });
  const { pid, uid } = peerOf(descriptorOf(socket));
  if (isTrusted(uid)) return socket;
  socket.destroy();
  throw new BouhekiError(
    'untrusted',
    `${databasePath}${suffix} is answered by process ${pid} of uid ${uid}`,
    {
      remedy: `Only root's answers and your own count. Stop that process, or read as uid ${uid}.`,
    },
  );
}

/** Whether who has connected is root or ourselves. */
export function isTrustedPeer(socket: Socket): boolean {
  try {
    return isTrusted(peerOf(descriptorOf(socket)).uid);
  } catch {
    // It has hung up already.
    return false;
  }
}

/** Node shows it nowhere else. */
function descriptorOf(socket: Socket): number {
  return (socket as unknown as { _handle?: { fd: number } })._handle?.fd ?? -1;
}
