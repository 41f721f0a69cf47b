import { closeSync } from 'node:fs';
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

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x80000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/**
 * Sends one datagram to a Unix socket: its path, or `@` and a name that is none. Never waits. Throws SystemError where
 * nobody takes it.
 */
export function sendDatagram(path: string, text: string): void {
  const fd = check('socket', socketCalls().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  try {
    // A name in no file system begins with NUL and has no end.
    const name = path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`;
    const address = Buffer.from(`\0\0${name}`);
    address.writeUInt16LE(AF_UNIX);
    const data = Buffer.from(text);
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    check('sendto', socketCalls().sendto(fd, data, data.length, flags, address, address.length));
  } finally {
    closeSync(fd);
  }
}
