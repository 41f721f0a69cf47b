import { closeSync, writeFileSync } from 'node:fs';
import { BouhekiError } from '../../error/error.ts';
import { OutputFile } from '../../host/output-file.ts';

/**
 * Writes `text` to standard output (`-`) or to a file, which appears whole or not at all: a policy that is
 * being enforced may be watched. A file that is there keeps its owner and mode, a link of ours stays one, and
 * a device or pipe is written to rather than replaced. Throws BouhekiError `usage`, and `untrusted` for what
 * others have put there. `mode`: of a file that is made; absent: what the umask leaves to all.
 */
export function writeOutput(path: string, text: string, mode?: number): void {
  if (path === '-') {
    process.stdout.write(text);
    return;
  }
  try {
    using output = OutputFile.at(path);
    const device = output.openDevice();
    if (device !== undefined) {
      write(device, text);
      return;
    }
    const { fd, put } = output.begin(output.replaces ? undefined : mode);
    write(fd, text, put);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** The error for a file that can't be written. */
export function cannotWrite(path: string, error: unknown): BouhekiError {
  if (error instanceof BouhekiError) return error;
  return new BouhekiError('usage', `cannot write ${path}`, {
    remedy: 'Name a file in a directory that you may write to, with room for it.',
    detail: (error as Error).message,
    cause: error,
  });
}

function write(fd: number, text: string, put?: () => void): void {
  try {
    writeFileSync(fd, text);
    put?.();
  } finally {
    closeSync(fd);
  }
}
