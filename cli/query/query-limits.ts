import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { BouhekiError } from '../../error/error.ts';
import { programFile } from '../../host/program-file.ts';
import { failureError, type Failure } from '../../profiler/serve/protocol.ts';
import { discardLeftCopies } from '../../profiler/read/record-copy.ts';
import { recordToRead } from '../../profiler/database/record-place.ts';

/**
 * Bytes of memory of the process that answers; of these 512 MB are DuckDB's, and what JavaScript may take.
 */
const MEMORY = 2e9;
const JAVASCRIPT_MB = 1024;
/** Seconds until there must be an answer; printing it may take longer. */
const PATIENCE = 120;

/** The shell sets what Node.js can't: the limit of memory, and no core file, which would hold the record. */
const WITHIN_LIMITS = `ulimit -c 0; ulimit -d ${Math.floor(MEMORY / 1024)}; exec "$@"`;

/** How an answer is printed: a wide table is not cut to the terminal. */
export type QueryForm = 'json' | 'table' | 'wide table';

type Message = { answered: true } | { failure: Failure };

/**
 * Answers a statement of the user's own on standard output, in a process of its own: whatever the statement
 * makes of DuckDB, it ends that process at the worst. Throws BouhekiError with what is wrong with it.
 */
export async function queryWithinLimits(db: string, form: QueryForm, sql: string): Promise<void> {
  const program = [process.execPath, `--max-old-space-size=${JAVASCRIPT_MB}`];
  const child = spawn(
    '/bin/sh',
    ['-c', WITHIN_LIMITS, 'sh', ...program, programFile('bundle/query-process.js'), db, form, sql],
    // What DuckDB and V8 say when they give up is not for people.
    { stdio: ['ignore', 'inherit', 'ignore', 'ipc'] },
  );
  let failure: Failure | undefined;
  let late = false;
  const patience = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, PATIENCE * 1000);
  child.on('message', (message: Message) => {
    clearTimeout(patience);
    if ('failure' in message) ({ failure } = message);
  });
  const [status, signal] = (await once(child, 'exit')) as [number | null, string | null];
  clearTimeout(patience);
  if (failure !== undefined) throw failureError(failure);
  if (status === 0) return;
  // It could not do that itself.
  discardLeftCopies(recordToRead(db));
  throw late ? tooLong() : gaveUp(signal ?? `status ${status}`);
}

function tooLong(): BouhekiError {
  return new BouhekiError('usage', `there was no answer within ${PATIENCE / 60} minutes`, {
    remedy: 'Narrow it down, such as by time, or read an export with another tool.',
  });
}

function gaveUp(how: string): BouhekiError {
  return new BouhekiError('usage', `the process that was to answer ended with ${how}`, {
    remedy: `It may take ${MEMORY / 1e9} GB of memory. Narrow the statement down, or read an export with another tool.`,
  });
}
