import { BouhekiError } from '../../error/error.ts';
import { busy } from './lock.ts';

/** Whether DuckDB failed because its memory limit was reached. */
export function isOutOfMemory(error: unknown): boolean {
  // `failed to pin block of size 256.0 KiB (244.0 MiB/244.1 MiB used)`, and allocate it, and more in that
  // manner.
  return /out of memory|\/[\d.]+ [KMGT]?i?B(ytes)? used\)/i.test(
    error instanceof Error ? error.message : String(error),
  );
}

/**
 * What went wrong with the database at `path`, as something the user can act on. DuckDB reports everything as
 * text, so its words (1.5) and the operating system's are matched here and nowhere else.
 */
export function storeFailure(error: unknown, path: string): BouhekiError {
  if (error instanceof BouhekiError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const because = { cause: error, detail: text };
  if (/could not set lock on file/i.test(text)) {
    const pid = /\(PID (\d+)\)/.exec(text)?.[1];
    return busy(path, pid === undefined ? 'used by another process' : `used by process ${pid}`);
  }
  if (/no space left on device|ENOSPC|disk quota exceeded|EDQUOT/i.test(text)) {
    return new BouhekiError('disk-full', `no space left on the disk of ${path}; recording stopped`, {
      remedy: 'Free some space and start again: everything recorded up to the last second is safe.',
      ...because,
    });
  }
  if (isOutOfMemory(error)) {
    return new BouhekiError('store', `this takes more memory than may be used on ${path}`, {
      remedy: 'Narrow it down, such as with --since, or by time in a query.',
      // DuckDB goes on to advise on settings, which are ours.
      ...because,
      detail: text.split('\n')[0],
    });
  }
  if (/read-only file system|EROFS/i.test(text)) {
    return new BouhekiError('store', `${path} is on a read-only file system`, {
      remedy: 'Mount it writable, or name another database with --db.',
      ...because,
    });
  }
  if (/permission denied|EACCES|EPERM/i.test(text)) {
    return new BouhekiError('store', `no permission to open ${path}`, {
      remedy: 'Run as root, or name another database with --db.',
      ...because,
    });
  }
  if (/EISDIR|is a directory/i.test(text)) {
    return new BouhekiError('store', `${path} is a directory`, {
      remedy: 'Name a file with --db.',
      ...because,
    });
  }
  if (/ENOTDIR|EEXIST|not a directory/i.test(text)) {
    return new BouhekiError('store', `a parent of ${path} is not a directory`, {
      remedy: 'Name another database with --db.',
      ...because,
    });
  }
  if (/version number/i.test(text)) {
    return new BouhekiError('store', `${path} was written by another version of DuckDB`, {
      remedy: 'Read it with the bouheki that wrote it, or name another database with --db.',
      ...because,
    });
  }
  if (/not a valid duckdb|corrupt|checksum|serialization error|unrecognized/i.test(text)) {
    return new BouhekiError('store', `${path} is not a database, or it is damaged`, {
      remedy: 'Move it away and start again, or name another database with --db.',
      ...because,
    });
  }
  return new BouhekiError('store', `the database ${path} failed`, {
    remedy: 'See the detail; another database can be named with --db.',
    ...because,
  });
}
