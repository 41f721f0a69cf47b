import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BouhekiError } from '../error/error.ts';
import { LIMITS } from '../policy/limit.ts';
import { type Parsed, parsePolicy } from '../policy/parse.ts';
import type { Policy } from '../policy/policy.ts';
import { renderProblem } from '../policy/problem.ts';

/**
 * Reads and parses a policy file; `-` is standard input. Warnings go to standard error. Throws BouhekiError `policy`
 * that shows every fault with file, line, column and what to do.
 */
export async function readPolicy(path: string): Promise<Policy> {
  return parseText(readPolicyText(path), path);
}

/** The policy in a text that was read before. Otherwise as `readPolicy`. */
export function parseText(text: string, path: string): Policy {
  return parseWithPlaces(text, path).policy;
}

/** As `parseText`, with the way back from boxes to lines. */
export function parseWithPlaces(text: string, path: string): Required<Parsed> {
  const { policy, problems, placeOf } = parsePolicy(text, path);
  const faults = problems.filter((problem) => problem.severity === 'error');
  if (policy) {
    for (const warning of problems) process.stderr.write(`${renderProblem(warning, text)}\n`);
    return { policy, problems, placeOf };
  }
  throw new BouhekiError(
    'policy',
    `${path} is no valid policy (${faults.length === 1 ? '1 error' : `${faults.length} errors`})`,
    {
      detail: faults.map((fault) => renderProblem(fault, text)).join('\n'),
    },
  );
}

/** The text of a policy file. Throws BouhekiError `policy` when it can't be read or is larger than any policy. */
export function readPolicyText(path: string): string {
  try {
    if (path === '-') return decode(readFileSync(0));
    // Opened once, so that what is checked is what is read; a pipe that nobody writes to must not hang us.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile()) throw new Error('it is not a regular file');
      if (stat.size > LIMITS.source) throw new Error(`it is larger than ${LIMITS.source / 1024 / 1024} MiB`);
      return decode(readFileSync(fd));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new BouhekiError('policy', `cannot read the policy ${path}`, {
      remedy: 'name a policy file that exists and that you may read',
      detail: (error as Error).message,
      cause: error,
    });
  }
}

/** Bytes that are no UTF-8 would become U+FFFD, and a name another name. */
function decode(bytes: Uint8Array): string {
  if (bytes.length > LIMITS.source) throw new Error(`it is larger than ${LIMITS.source / 1024 / 1024} MiB`);
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

const GROUP_OR_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * Refuses a policy that somebody other than root and ourselves could have written: enforcing it would hand them the
 * host's network. Throws BouhekiError `policy`.
 */
export function assertTrustedFile(path: string): void {
  for (const place of [resolve(path), dirname(resolve(path))]) {
    let stat;
    try {
      stat = statSync(place);
    } catch {
      // Reading it gives the better message.
      return;
    }
    const owned = stat.uid === 0 || stat.uid === process.geteuid?.();
    // In a sticky directory nobody can replace another's file.
    const sticky = stat.isDirectory() && (stat.mode & STICKY) !== 0;
    const open = (stat.mode & GROUP_OR_OTHERS_WRITE) !== 0 && !sticky;
    if (owned && !open) continue;
    throw new BouhekiError(
      'policy',
      `${place} can be changed by others than root, so its policy is not enforced`,
      {
        remedy: `chown root ${place}; chmod go-w ${place}`,
      },
    );
  }
}
