import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { Socket } from 'node:net';
import { LogPlace } from '../host/log-place.ts';

/** Of a log that is made: for root and the group that reads logs. */
const MODE = 0o640;

/** No open may wait for a reader or a carrier, or make a terminal the controlling one. */
const AT_ONCE = constants.O_NONBLOCK | constants.O_NOCTTY;

/** A descriptor that a write never waits at, but for a disk. */
export interface Descriptor {
  fd: number;
  /** A pipe or a terminal, where the lines of several writers must not be mixed. */
  shared: boolean;
  close(): void;
}

/**
 * Standard output (1) or standard error (2). What another process has open as well keeps its flags: a pipe or
 * terminal is opened anew. A socket can't be, so it is that itself which doesn't wait from now on; Node puts
 * this back at exit.
 */
export function openStandard(stream: 1 | 2): Descriptor {
  const kind = fstatSync(stream);
  if (kind.isFIFO() || kind.isCharacterDevice()) {
    try {
      const fd = openSync(`/proc/self/fd/${stream}`, constants.O_WRONLY | AT_ONCE);
      return { fd, shared: true, close: () => closeSync(fd) };
    } catch {
      // Another user's terminal, or no /proc: as a socket.
    }
  }
  const held = kind.isFile() ? undefined : heldNonBlocking(stream);
  return { fd: stream, shared: !kind.isFile(), close: () => held?.unref() };
}

/**
 * Node makes a descriptor non-blocking when it takes it as a stream. Nothing is written through that stream.
 */
function heldNonBlocking(stream: 1 | 2): Socket | undefined {
  try {
    return new Socket({ fd: stream, readable: false, writable: true }).unref();
  } catch {
    // Of a kind that Node doesn't know. A datagram socket, which hardly ever waits.
    return undefined;
  }
}

/**
 * Opens a log to be continued, and makes it where there is none. Throws
 * BouhekiError `untrusted` where others can have put it, or what the system says.
 */
export function openLogFile(path: string): Descriptor {
  using place = LogPlace.open(path, MODE);
  const { fd, kind } = openForWriting(place.path);
  return { fd, shared: !kind.isFile(), close: () => closeSync(fd) };
}

function openForWriting(path: string): { fd: number; kind: Stats } {
  const flags = constants.O_APPEND | AT_ONCE;
  try {
    const fd = openSync(path, constants.O_WRONLY | flags);
    const kind = fstatSync(fd);
    if (!kind.isFIFO()) return { fd, kind };
    closeSync(fd);
  } catch (error) {
    // The error of open() for a FIFO without a reader.
    if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
  }
  // With a reading end of our own, readers of a FIFO may come and go.
  const fd = openSync(path, constants.O_RDWR | flags);
  return { fd, kind: fstatSync(fd) };
}
