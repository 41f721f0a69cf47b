import { connect, type Socket } from 'node:net';
import { peerOf } from '../../bpf/peer.ts';
import { BouhekiError } from '../../error/error.ts';
import { isTrusted } from '../../host/trust.ts';
import { RecordPlace } from '../database/record-place.ts';

/** Bytes of sun_path in sockaddr_un, its NUL left out. */
const LONGEST = 107;

/**
 * Calls `work` with a path to the socket beside a database that is short enough for the kernel. A longer one
 * goes through an open descriptor of its directory, which is good only until `work` returns. Throws as
 * `RecordPlace.open`.
 */
export function withSocketPathSync<T>(databasePath: string, work: (path: string) => T): T {
  using place = RecordPlace.open(databasePath, 'find');
  const path = `${place.path}.sock`;
  return work(Buffer.byteLength(path) <= LONGEST ? path : place.at('.sock'));
}

/**
 * A connection to the recorder of a database, made sure of before anything is sent or read: it must be run by
 * root or ourselves. Throws BouhekiError `untrusted`, and the system's error when none listens.
 */
export async function connectToRecorder(databasePath: string): Promise<Socket> {
  const socket = withSocketPathSync(databasePath, (path) => connect(path));
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', resolve);
  });
  const { pid, uid } = peerOf(descriptorOf(socket));
  if (isTrusted(uid)) return socket;
  socket.destroy();
  throw new BouhekiError('untrusted', `${databasePath}.sock is answered by process ${pid} of uid ${uid}`, {
    remedy: `Only root's answers and your own count. Stop that process, or read as uid ${uid}.`,
  });
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
