import { createSocket, type Socket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import type { Egress } from './egress.ts';
import { CANARY_ADDRESS } from './wire.ts';

/**
 * Nothing could be tried: there was no room for a socket, or no address for it. They say nothing of the
 * programs.
 */
const UNTRIED = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EAGAIN', 'EADDRNOTAVAIL']);

/**
 * Whether the kernel really asks our programs: a UDP connect() of our own to an address that no host has, and
 * a send to it, must get EPERM while the canary is set. Attaching alone succeeds even where `bpf` is no
 * active LSM. It is neither recorded nor judged. Undefined when neither could be tried.
 */
export async function provesItself(egress: Egress): Promise<boolean | undefined> {
  egress.setCanary(process.pid);
  try {
    const tried = (await Promise.all([connectError(), sendError()])).filter((code) => !UNTRIED.has(code));
    return tried.length === 0 ? undefined : tried.every((code) => code === 'EPERM');
  } finally {
    egress.setCanary(0);
  }
}

/** What keeps the kernel from asking attached LSM programs; undefined when that is not known. */
export function ftraceIsOff(): boolean {
  try {
    return readFileSync('/proc/sys/kernel/ftrace_enabled', 'utf8').trim() === '0';
  } catch {
    // A kernel without ftrace calls the programs in another way.
    return false;
  }
}

async function connectError(): Promise<string> {
  return await errorOf((socket, finish) => socket.connect(9, CANARY_ADDRESS, finish));
}

/**
 * From a loopback address, from which the kernel routes nothing to another host: where it is not refused,
 * nothing leaves.
 */
async function sendError(): Promise<string> {
  return await errorOf((socket, finish) => {
    socket.bind(0, '127.0.0.1', () => socket.send('', 9, CANARY_ADDRESS, finish));
  });
}

/** The code of the error that comes of `attempt`; empty when there is none. */
async function errorOf(
  attempt: (socket: Socket, finish: (error?: Error | null) => void) => void,
): Promise<string> {
  const socket = createSocket('udp4');
  try {
    return await new Promise((resolve) => {
      // A failure is given to the callback, which the types of Node do not know.
      const finish = (error?: NodeJS.ErrnoException | null): void => resolve(error?.code ?? '');
      socket.once('error', finish);
      attempt(socket, finish);
    });
  } finally {
    socket.close();
  }
}
