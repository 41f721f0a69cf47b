import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { BouhekiError } from '../error/error.ts';

/**
 * Writes `text` to standard output (`-`) or to a file, which appears whole or not at all: a policy that is being
 * enforced may be watched. Throws BouhekiError `usage`.
 */
export function writeOutput(path: string, text: string): void {
  if (path === '-') {
    process.stdout.write(text);
    return;
  }
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new BouhekiError('usage', `cannot write ${path}`, {
      remedy: 'Name a file in a directory that you may write to with --output.',
      detail: (error as Error).message,
      cause: error,
    });
  }
}
