import type { Policy } from '../../policy/meaning/policy.ts';
import { parseText, readPolicyText } from './policy-file.ts';

/** Writes a warning to standard error, for commands that end soon: it waits for the reader. */
export function warnAtOnce(text: string): void {
  process.stderr.write(text);
}

/**
 * Reads and parses a policy file; `-` is standard input. Warnings go to standard error. Throws BouhekiError
 * `policy` that shows every fault with file, line, column and what to do.
 */
export async function readPolicy(path: string): Promise<Policy> {
  return parseText(readPolicyText(path), path, warnAtOnce);
}
