/** Pieces of work that are under way, and the umask from before the first of them: they may overlap. */
let depth = 0;
let before = 0;

/**
 * Runs `work` so that files made during it belong to their owner alone: DuckDB makes its log file anew after
 * every checkpoint, with whatever the umask allows.
 */
export function withPrivateFilesSync<T>(work: () => T): T {
  enter();
  try {
    return work();
  } finally {
    leave();
  }
}

/** As `withPrivateFilesSync`, for work that awaits. Files that others make meanwhile are private as well. */
export async function withPrivateFiles<T>(work: () => Promise<T>): Promise<T> {
  enter();
  try {
    return await work();
  } finally {
    leave();
  }
}

function enter(): void {
  if (depth === 0) before = process.umask(0o077);
  depth += 1;
}

function leave(): void {
  depth -= 1;
  if (depth === 0) process.umask(before);
}
