import { check, socketCalls } from './libbpf.ts';

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred: pid, uid and gid. */
const UCRED_BYTES = 12;

/**
 * Who is at the other end of a connected Unix socket: who connected, or who listens. By what the kernel noted
 * then.
 */
export function peerOf(fd: number): { pid: number; uid: number } {
  const ucred = Buffer.alloc(UCRED_BYTES);
  const length = Uint32Array.of(UCRED_BYTES);
  check('getsockopt', socketCalls().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, length));
  return { pid: ucred.readInt32LE(0), uid: ucred.readUInt32LE(4) };
}
