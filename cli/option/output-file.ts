import { closeSync, fchownSync, writeFileSync } from 'node:fs';
import { BouhekiError } from '../../error/error.ts';
import { OutputFile } from '../../host/output-file.ts';

/** Of a file that is made; one that is there keeps its own. */
export interface MadeFile {
  /** Absent: what the umask leaves to all. */
  mode?: number | undefined;
  /** Absent: who runs this. */
  owner?: { uid: number; gid: number } | undefined;
}

/** Bytes of a file that is added to. */
const LARGEST = 1 << 26;

/**
 * Writes `text` to standard output (`-`) or to a file, which appears whole or not at all: a policy that is
 * being enforced may be watched. A file that is there keeps its owner and mode, a link of ours stays one, and
 * a device or pipe is written to rather than replaced. Throws BouhekiError `usage`, and `untrusted` for what
 * others have put there.
 */
export function writeOutput(path: string, text: string, made: MadeFile = {}): void {
  if (path === '-') process.stdout.write(text);
  else put(path, () => text, made);
}

/** As `writeOutput`, behind what a file holds already. */
export function appendOutput(path: string, text: string): void {
  put(path, (output) => Buffer.concat([output.read(LARGEST), Buffer.from(text)]), {});
}

function put(
  path: string,
  contentOf: (output: OutputFile) => string | Buffer,
  { mode, owner }: MadeFile,
): void {
  try {
    using output = OutputFile.at(path);
    const content = contentOf(output);
    const device = output.openDevice();
    if (device !== undefined) {
      write(device, content);
      return;
    }
    const { fd, put } = output.begin(output.replaces ? undefined : mode);
    if (owner !== undefined && !output.replaces) fchownSync(fd, owner.uid, owner.gid);
    write(fd, content, put);
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

function write(fd: number, content: string | Buffer, put?: () => void): void {
  try {
    writeFileSync(fd, content);
    put?.();
  } finally {
    closeSync(fd);
  }
}
