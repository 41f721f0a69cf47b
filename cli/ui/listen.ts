import { lchownSync, lstatSync, rmSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { peerOf } from '../../bpf/peer.ts';
import { BouhekiError } from '../../error/error.ts';
import { followPath } from '../../host/path-walk.ts';
import { isTrusted } from '../../host/trust.ts';
import { closeFound } from '../../host/trusted-file.ts';
import type { DoorPlace, Servant } from './door-message.ts';
import { becomeServant } from './rights.ts';

/** Bytes of sun_path in sockaddr_un, its NUL left out. */
const LONGEST = 107;

/** Where it listens. */
export interface Listening {
  port?: number;
  /** Of a socket in a directory where its servant cannot remove it. */
  inode?: string;
}

/**
 * Listens, and gives up what rights the servant does not have. A socket is for its owner alone. Throws BouhekiError
 * `usage` where there can be none or another process has it, and `untrusted` where others could put theirs in its place.
 */
export async function listenAndServe(
  server: Server,
  place: DoorPlace,
  servant: Servant | undefined,
): Promise<Listening> {
  if ('port' in place) {
    const port = await listenAtPort(server, place.port);
    if (servant !== undefined) becomeServant(servant);
    return { port };
  }
  const { socket } = place;
  try {
    await listenAtSocket(server, socket, servant);
  } catch (error) {
    // A directory of the servant's, in which root must not touch anything by its name.
    if (servant === undefined || !(error instanceof BouhekiError) || error.code !== 'untrusted') throw error;
    becomeServant(servant);
    await listenAtSocket(server, socket);
    return {};
  }
  if (servant === undefined) return {};
  const { ino } = lstatSync(socket, { bigint: true });
  // In a directory of root's alone, or where none but its owner may rename it.
  lchownSync(socket, servant.uid, servant.gid);
  becomeServant(servant);
  return { inode: String(ino) };
}

async function listenAtPort(server: Server, port: number): Promise<number> {
  try {
    await listening(server, () => server.listen(port, '127.0.0.1'));
  } catch (error) {
    throw new BouhekiError('usage', `cannot listen at port ${port} of 127.0.0.1`, {
      remedy: 'Name another --port; 0 is any that is free.',
      detail: (error as Error).message,
      cause: error,
    });
  }
  return (server.address() as { port: number }).port;
}

async function listenAtSocket(server: Server, socket: string, servant?: Servant): Promise<void> {
  const path = placeOf(socket);
  try {
    await listenPrivately(server, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cannotListen(socket, error);
    await removeStale(socket, path, servant);
    await listenPrivately(server, path).catch((again: unknown) => {
      throw cannotListen(socket, again);
    });
  }
}

/** The path without links, in a directory that no other user can rename anything in. */
function placeOf(socket: string): string {
  let found;
  try {
    found = followPath(socket);
  } catch (error) {
    throw error instanceof BouhekiError ? error : cannotListen(socket, error);
  }
  closeFound(found);
  const { directory, names } = found;
  if (names.length !== 1) {
    throw new BouhekiError(
      'usage',
      `there is no directory ${directory.path}/${names.slice(0, -1).join('/')}`,
      {
        remedy: 'Name a --socket in a directory that there is.',
      },
    );
  }
  const path = `${directory.path === '/' ? '' : directory.path}/${names[0]}`;
  if (Buffer.byteLength(path) <= LONGEST) return path;
  throw new BouhekiError('usage', `${path} is longer than a socket's path may be, ${LONGEST} bytes`, {
    remedy: 'Name a shorter --socket.',
  });
}

async function listenPrivately(server: Server, path: string): Promise<void> {
  await listening(server, () => {
    const before = process.umask(0o177);
    try {
      server.listen(path);
    } finally {
      process.umask(before);
    }
  });
}

async function listening(server: Server, listen: () => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const done = (work: () => void) => (): void => {
      server.removeAllListeners('error').removeAllListeners('listening');
      work();
    };
    server.once('error', (error) => done(() => reject(error))());
    server.once('listening', done(resolve));
    listen();
  });
}

/**
 * Removes a socket that nobody answers at any more, of root, the caller or the servant. Throws BouhekiError `usage` with
 * who does, or what lies there.
 */
async function removeStale(socket: string, path: string, servant: Servant | undefined): Promise<void> {
  const stats = lstatSync(path);
  if (!stats.isSocket()) throw taken(`${socket} is there already, and is no socket`);
  const holder = await holderOf(path);
  if (holder !== undefined) throw taken(`${socket} is in use by ${holder}`);
  if (!isTrusted(stats.uid) && stats.uid !== servant?.uid) {
    throw taken(`${socket} is there already, and is a socket of uid ${stats.uid}`);
  }
  rmSync(path, { force: true });
}

function taken(message: string): BouhekiError {
  return new BouhekiError('usage', message, {
    remedy: 'Name another --socket, or remove it when nobody uses it.',
  });
}

/** The process that listens at a socket; undefined where none does. */
async function holderOf(path: string): Promise<string | undefined> {
  const client = connect(path);
  try {
    await new Promise<void>((resolve, reject) => client.once('connect', resolve).once('error', reject));
    const { pid, uid } = peerOf((client as unknown as { _handle: { fd: number } })._handle.fd);
    return `process ${pid} of uid ${uid}`;
  } catch (error) {
    // Any other error is of one who listens: too many wait for it, or it is of another kind.
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ECONNREFUSED' || code === 'ENOENT'
      ? undefined
      : `a process that answers ${code ?? 'nothing'}`;
  } finally {
    client.destroy();
  }
}

function cannotListen(socket: string, error: unknown): BouhekiError {
  return new BouhekiError('usage', `cannot listen at ${socket}`, {
    remedy: 'Name a --socket in a directory that you may write to.',
    detail: (error as Error).message,
    cause: error,
  });
}
