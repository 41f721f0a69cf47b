import { closeSync, constants, openSync } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Bytes of sun_path in sockaddr_un, its NUL left out. */
const LONGEST = 107;

/**
 * Calls `work` with a path to the socket beside a database that is short enough for the kernel. A longer one goes
 * through an open descriptor of its directory, which is good only until `work` returns.
 */
export function withSocketPathSync<T>(databasePath: string, work: (path: string) => T): T {
  const path = `${databasePath}.sock`;
  if (Buffer.byteLength(path) <= LONGEST) return work(path);
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return work(`/proc/self/fd/${directory}/${basename(path)}`);
  } finally {
    closeSync(directory);
  }
}
