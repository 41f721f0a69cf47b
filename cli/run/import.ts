import { BouhekiError } from '../../error/error.ts';
import { visible } from '../../error/visible.ts';
import { type Prefix, readPrefix } from '../../policy/value/cidr.ts';
import { importFiles } from '../../profiler/import/import.ts';
import type { ImportFormat } from '../../profiler/import/format.ts';
import { requireDirectory } from '../../profiler/database/record-place.ts';

/** What `import` was asked for, as commander hands it over. */
export interface ImportOptions {
  db: string;
  format?: ImportFormat;
  local: string[];
  at?: string;
  host?: string;
  skipBad: boolean;
  again: boolean;
}

/** Bad rows that are reported one by one. */
const SHOWN = 10;

/** Adds files to the record, and says what was added. */
export async function importFlows(files: string[], options: ImportOptions): Promise<void> {
  requireDirectory(options.db);
  let leftOut = 0;
  const { local, ...rest } = options;
  const result = await importFiles(files, {
    ...rest,
    local: local.map(readLocal),
    bad: (message) => {
      leftOut += 1;
      if (leftOut <= SHOWN) process.stderr.write(`Left out ${visible(message)}\n`);
    },
  });
  const { rows, events, known, passed, skipped, recordings, unread } = result;
  if (options.format === undefined)
    process.stderr.write(`Read as ${result.format}, by what it begins with.\n`);
  const first = recordings[0]!;
  const last = recordings.at(-1)!;
  const which = first === last ? `recording ${first}` : `recordings ${first} to ${last}`;
  process.stderr.write(
    `Imported ${rows} rows, which stand for ${events} connections, as ${which}; ${skipped} bad rows left out.\n`,
  );
  for (const [what, count] of passed) process.stderr.write(`Passed over: ${count} ${what}.\n`);
  if (unread.length > 0) process.stderr.write(`Columns that are not read: ${visible(unread.join(', '))}.\n`);
  if (known > 0)
    process.stderr.write(`The record had ${known} of these rows before: they count twice now.\n`);
}

function readLocal(text: string): Prefix {
  const reading = readPrefix(text);
  if ('prefix' in reading) return reading.prefix;
  throw new BouhekiError('usage', `--local: ${reading.fault}`, {
    remedy: 'Write an address or a CIDR such as 10.0.0.0/8.',
  });
}
