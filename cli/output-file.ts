import { chmodSync, chownSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { BouhekiError } from '../error/error.ts';

/**
 * Writes `text` to standard output (`-`) or to a file, which appears whole or not at all: a policy that is being
 * enforced may be watched. A file that is there keeps its owner and mode, a link stays one, and a device or pipe is
 * written to rather than replaced. Throws BouhekiError `usage`.
 */
export function writeOutput(path: string, text: string): void {
  if (path === '-') {
    process.stdout.write(text);
    return;
  }
  try {
    const old = statSync(path, { throwIfNoEntry: false });
    if (old === undefined || old.isFile()) replaceFile(old ? realpathSync(path) : path, text, old);
    else writeFileSync(path, text);
  } catch (error) {
    throw new BouhekiError('usage', `cannot write ${path}`, {
      remedy: 'Name a file in a directory that you may write to.',
      detail: (error as Error).message,
      cause: error,
    });
  }
}

function replaceFile(path: string, text: string, old: ReturnType<typeof statSync>): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text);
    if (old) {
      if (process.geteuid?.() === 0) chownSync(temporary, Number(old.uid), Number(old.gid));
      chmodSync(temporary, Number(old.mode) & 0o7777);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
