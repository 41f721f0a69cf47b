import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { BouhekiError } from '../../../error/error.ts';
import { findServerPrograms, type ServerPrograms } from './program.ts';
import { claimDirectory, readPidFile, type ServerUser } from './server-directory.ts';

const run = promisify(execFile);

const ROLE = 'bouheki';
/** That each server has. */
const DATABASE = 'postgres';
const PORT = 5432;
/** Bytes of a socket's path, the NUL at its end not counted. */
const LONGEST_SOCKET = 107;
const START_TIMEOUT = 60_000;
/** A fast shutdown writes a checkpoint. Milliseconds. */
const STOP_TIMEOUT = 30_000;
const SETPRIV = '/usr/bin/setpriv';

export interface LocalServer {
  /** For `openEngine`. */
  url: string;
  /** Of the process that started the others. */
  pid: number;
  /** Resolves when it has ended, however. */
  ended: Promise<void>;
  stop(): Promise<void>;
}

/**
 * The PostgreSQL that is installed on this machine, with its data in a directory of its own. It listens at a socket in that
 * directory alone, which only its user and root may enter, so no password is needed. Made at the first start. It ends with
 * `stop`, or with this process. All that is done below that directory is done by the server's user: names there are its
 * own, and root would follow them anywhere.
 * @throws BouhekiError `fleet` without such a program, or where it does not start; `untrusted` for another's directory
 */
export async function startLocalServer(directory: string): Promise<LocalServer> {
  const programs = findServerPrograms();
  if (programs === undefined) {
    throw new BouhekiError('fleet', 'no PostgreSQL 15 or newer is installed on this machine', {
      remedy: 'install it (Debian: apt-get install postgresql), or give the hub the address of another',
    });
  }
  const user = serverUser();
  await makeCluster(programs, directory, user);
  // One that outlived its hub.
  await run(join(programs.folder, 'pg_ctl'), ['stop', '-s', '-w', '-m', 'fast', '-D', dataOf(directory)], {
    ...user,
    cwd: directory,
  }).catch(() => undefined);
  return startCluster(programs, directory, user);
}

/** This process's own; `postgres`, or else `nobody`, where that is root. Undefined: nothing to change. */
export function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = accounts.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new BouhekiError(
    'fleet',
    'PostgreSQL does not run as root, and neither postgres nor nobody is a user here',
    {
      remedy: 'add a user for it, or run this as another user than root',
    },
  );
}

export function dataOf(directory: string): string {
  return join(directory, 'data');
}

/** How a client reaches the server of a directory. */
export function urlOf(directory: string): string {
  return `postgres:///${DATABASE}?host=${encodeURIComponent(directory)}&port=${PORT}&user=${ROLE}`;
}

/**
 * Makes the files of a server, where there are none; an interruption leaves nothing that looks finished. `more` are options
 * of initdb.
 */
export async function makeCluster(
  programs: ServerPrograms,
  directory: string,
  user: ServerUser | undefined,
  more: readonly string[] = [],
): Promise<void> {
  const socket = join(directory, `.s.PGSQL.${PORT}`);
  if (Buffer.byteLength(socket) > LONGEST_SOCKET) {
    throw new BouhekiError('fleet', `${socket} is longer than the path of a socket may be`, {
      remedy: 'use a directory with a shorter path',
    });
  }
  claimDirectory(directory, user);
  const data = dataOf(directory);
  if (existsSync(data)) return;
  const fresh = `${data}.new`;
  // Without a locale (LC_ALL), with checksums of pages.
  const options = ['-E', 'UTF8', '-A', 'trust', '-U', ROLE, '-k', ...more];
  const as = { ...user, cwd: directory, env: { ...process.env, ...programs.environment, LC_ALL: 'C' } };
  try {
    await run('rm', ['-rf', '--', fresh], as);
    await run(join(programs.folder, 'initdb'), [...options, '-D', fresh], as);
    await run('mv', ['--', fresh, data], as);
  } catch (error) {
    throw new BouhekiError('fleet', `initdb could not make a database in ${directory}`, {
      remedy: 'check that the user of PostgreSQL may enter this directory, and that the disk is not full',
      detail: (error as { stderr?: string }).stderr,
      cause: error,
    });
  }
}

/** Starts the server of a directory, and waits until it answers. `settings` are those of postgresql.conf. */
export async function startCluster(
  programs: ServerPrograms,
  directory: string,
  user: ServerUser | undefined,
  settings: Readonly<Record<string, string>> = {},
): Promise<LocalServer> {
  const child = launch(programs, directory, user, settings);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGINT');
    const timer = setTimeout(() => child.kill('SIGQUIT'), STOP_TIMEOUT);
    await ended;
    clearTimeout(timer);
  };
  if (!(await ready(child, directory))) {
    await stop();
    throw new BouhekiError('fleet', `PostgreSQL does not start in ${directory}`, {
      remedy: `see ${logOf(directory)}`,
      detail: await lastLines(directory, user),
    });
  }
  return { url: urlOf(directory), pid: child.pid!, ended, stop };
}

function logOf(directory: string): string {
  return join(directory, 'log');
}

/** Of the server's log. */
async function lastLines(directory: string, user: ServerUser | undefined): Promise<string> {
  const options = { ...user, cwd: directory, timeout: 5000 };
  return await run('tail', ['-n', '8', '--', logOf(directory)], options).then(
    ({ stdout }) => stdout,
    () => '',
  );
}

function launch(
  programs: ServerPrograms,
  directory: string,
  user: ServerUser | undefined,
  settings: Readonly<Record<string, string>>,
): ChildProcess {
  const all = {
    listen_addresses: '',
    unix_socket_directories: directory,
    unix_socket_permissions: '0700',
    port: String(PORT),
    ...settings,
  };
  const command = [
    // The shell opens the log, as the server's user, and becomes the server.
    '/bin/sh',
    '-c',
    'umask 077; log=$1; shift; exec "$@" >>"$log" 2>&1',
    'sh',
    logOf(directory),
    // The server shuts down when this process is gone, which could not stop it then.
    ...(existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'INT', '--'] : []),
    join(programs.folder, 'postgres'),
    '-D',
    dataOf(directory),
    ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  return spawn(command[0]!, command.slice(1), {
    ...user,
    cwd: directory,
    env: { ...process.env, ...programs.environment, LC_ALL: 'C' },
    stdio: 'ignore',
    // Ctrl-C at a terminal is for this process, which stops the server last.
    detached: true,
  });
}

/** Whether the server takes connections: it says so in the last line of its file. False: it has ended, or takes too long. */
async function ready(child: ChildProcess, directory: string): Promise<boolean> {
  const file = join(dataOf(directory), 'postmaster.pid');
  for (const end = Date.now() + START_TIMEOUT; Date.now() < end; await wait(20)) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return false;
    const lines = readPidFile(file).split('\n');
    if (Number(lines[0]) === child.pid && lines[7]?.trim() === 'ready') return true;
  }
  return false;
}
