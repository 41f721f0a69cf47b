import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { BouhekiError } from '../../error/error.ts';
import { visible } from '../../error/visible.ts';
import { exposeToOom } from '../../host/oom-score.ts';

/** Statuses of what cannot be started, as env(1), timeout(1) and shells have them. */
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;
/** A shell's status of a process that a signal has ended is its number and this. */
const BY_SIGNAL = 128;

/** How long a directory service may take, milliseconds. */
const PATIENCE = 10_000;

/** Signals that are the command's business, and that would end us before it. */
const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** Whom a command runs as, where that is not the caller. */
export interface User {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

/**
 * The user of a name or a number: from the file of passwd(5), or from a directory service. Throws BouhekiError `usage`
 * where there is none.
 */
export function findUser(nameOrId: string, passwd = readFileSync('/etc/passwd', 'utf8')): User {
  for (const line of `${passwd}\n${askedFor(nameOrId)}`.split('\n')) {
    const [name, , uid, gid, , home] = line.split(':');
    if (home === undefined || (name !== nameOrId && uid !== nameOrId)) continue;
    return { name: name!, uid: Number(uid), gid: Number(gid), home };
  }
  throw new BouhekiError('usage', `there is no user ${nameOrId} here`, {
    remedy: 'Name a user of this host with --user, or `--user root`.',
  });
}

function askedFor(nameOrId: string): string {
  return (
    spawnSync('getent', ['passwd', '--', nameOrId], { encoding: 'utf8', timeout: PATIENCE }).stdout ?? ''
  );
}

/**
 * The user that a command is to run as: the one that is named; or who has called sudo, so that a command gets no more
 * rights than its caller has. Undefined where that is who runs this.
 */
export function userFor(named: string | undefined, environment: NodeJS.ProcessEnv): User | undefined {
  const own = process.geteuid!();
  const wanted = named ?? (own === 0 ? environment.SUDO_UID : undefined);
  if (wanted === undefined) return undefined;
  const user = findUser(wanted);
  if (user.uid === own) return undefined;
  if (own !== 0) {
    throw new BouhekiError('usage', 'only root can run a command as another user', {
      remedy: 'Leave --user out, or use sudo.',
    });
  }
  return user;
}

/**
 * Runs a command to its end, on our standard streams. `within` is given what forks it, and must do that at once.
 * Resolves with its exit status, or what shells make of a signal.
 */
export async function runToEnd(
  command: readonly string[],
  user: User | undefined,
  within: <T>(work: () => T) => T,
): Promise<number> {
  let child: ChildProcess | undefined;
  const passOn = (name: NodeJS.Signals): void => void child?.kill(name);
  // Before there is a command: it may send one at once.
  for (const name of PASSED_ON) process.on(name, passOn);
  process.on('SIGINT', leaveAlone);
  try {
    const [program, ...rest] = user === undefined ? command : [...asUser(user), ...command];
    const env = user === undefined ? process.env : environmentOf(user);
    child = within(() => spawn(program!, rest, { stdio: 'inherit', env }));
    exposeToOom(child.pid);
    return await statusOf(child);
  } finally {
    for (const name of PASSED_ON) process.off(name, passOn);
    process.off('SIGINT', leaveAlone);
  }
}

async function statusOf(child: ChildProcess): Promise<number> {
  return await new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      process.stderr.write(`bouheki: cannot start ${visible(child.spawnfile)}: ${error.message}\n`);
      resolve(error.code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE);
    });
    child.once('exit', (code, name) => resolve(code ?? BY_SIGNAL + constants.signals[name!]));
  });
}

/** For what a terminal sends to all of its foreground: the command has it already. */
function leaveAlone(): void {
  // It decides what that means.
}

/**
 * With all groups of the user, and none of our capabilities. Node sets ids as well, but takes the other groups away.
 * Source: setpriv(1) of util-linux.
 */
function asUser({ uid, gid }: User): string[] {
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--inh-caps=-all', '--'];
}

/** As sudo has found it, but for whom it is. */
function environmentOf({ name, home }: User): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([key]) => !key.startsWith('SUDO_'));
  return { ...Object.fromEntries(own), HOME: home, USER: name, LOGNAME: name };
}
