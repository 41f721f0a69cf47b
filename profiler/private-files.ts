/**
 * Runs `work` so that files made during it belong to their owner alone: DuckDB makes its log file anew after every
 * checkpoint, with whatever the umask allows.
 */
export function withPrivateFilesSync<T>(work: () => T): T {
  const before = process.umask(0o077);
  try {
    return work();
  } finally {
    process.umask(before);
  }
}

/** As `withPrivateFilesSync`, for work that awaits. Files that others make meanwhile are private as well. */
export async function withPrivateFiles<T>(work: () => Promise<T>): Promise<T> {
  const before = process.umask(0o077);
  try {
    return await work();
  } finally {
    process.umask(before);
  }
}
