import { readFileSync } from 'node:fs';
import { BouhekiError } from '../../error/error.ts';
import { encodingFault } from '../../host/encoding.ts';
import { readAnyFile, TrustedFile } from '../../host/trusted-file.ts';
import { LIMITS } from '../../policy/file/limit.ts';
import { type Parsed, parsePolicy } from '../../policy/file/parse.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import { renderProblem } from '../../policy/file/problem.ts';

/** Takes a warning as people read it, with its line end. */
export type Warn = (text: string) => void;

/**
 * The policy in a text. Throws BouhekiError `policy` that shows every fault with file, line, column and what
 * to do.
 */
export function parseText(text: string, path: string, warn: Warn): Policy {
  return parseWithPlaces(text, path, warn).policy;
}

/** As `parseText`, with the way back from boxes to lines. */
export function parseWithPlaces(text: string, path: string, warn: Warn): Required<Parsed> {
  const { policy, ...rest } = parsePolicy(text, path);
  const { problems } = rest;
  const faults = problems.filter((problem) => problem.severity === 'error');
  if (policy) {
    for (const warning of problems) warn(`${renderProblem(warning, text)}\n`);
    return { policy, ...rest };
  }
  throw new BouhekiError(
    'policy',
    `${path} is no valid policy (${faults.length === 1 ? '1 error' : `${faults.length} errors`})`,
    {
      detail: faults.map((fault) => renderProblem(fault, text)).join('\n'),
    },
  );
}

/**
 * The text of a policy file, `-` for standard input, for commands that only read it: its owner does not
 * matter. Throws BouhekiError `policy` when it can't be read or is larger than any policy.
 */
export function readPolicyText(path: string): string {
  return textOf(path, () => readAnyFile(path, LIMITS.source));
}

/**
 * As `readPolicyText`, for what takes effect or becomes part of another policy: throws BouhekiError
 * `untrusted` when users other than root and the caller could have written it, which would give them the
 * host's network.
 */
export function readTrustedPolicyText(path: string): string {
  return textOf(path, () => {
    using file = TrustedFile.open(path);
    return file.read(LIMITS.source);
  });
}

function textOf(path: string, read: () => Buffer): string {
  try {
    return decode(path === '-' ? readFileSync(0) : read(), path);
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    throw new BouhekiError('policy', `cannot read the policy ${path}`, {
      remedy: 'name a policy file that exists and that you may read',
      detail: (error as Error).message,
      cause: error,
    });
  }
}

/** Bytes that are no UTF-8 would become U+FFFD, and a name another name. */
function decode(bytes: Uint8Array, path: string): string {
  if (bytes.length > LIMITS.source) throw new Error(`it is larger than ${LIMITS.source / 1024 / 1024} MiB`);
  const fault = encodingFault(bytes);
  if (fault !== undefined) {
    const { message, remedy } = fault;
    throw new BouhekiError('policy', `cannot read the policy ${path}: ${message}`, { remedy });
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}
