import { visible } from '../../error/visible.ts';
import { importFile } from '../../profiler/import/import.ts';
import type { ImportFormat } from '../../profiler/import/format.ts';
import { requireDirectory } from '../../profiler/database/record-place.ts';

/** What `import` was asked for, as commander hands it over. */
export interface ImportOptions {
  db: string;
  format: ImportFormat;
  skipBad: boolean;
  again: boolean;
}

/** Bad rows that are reported one by one. */
const SHOWN = 10;

/** Adds a file to the record, and says what was added. */
export async function importFlows(file: string, options: ImportOptions): Promise<void> {
  requireDirectory(options.db);
  let leftOut = 0;
  const result = await importFile(file, {
    db: options.db,
    format: options.format,
    skipBad: options.skipBad,
    again: options.again,
    bad: (message) => {
      leftOut += 1;
      if (leftOut <= SHOWN) process.stderr.write(`Left out ${visible(message)}\n`);
    },
  });
  const { rows, events, known, skipped, recordings, unread } = result;
  const first = recordings[0]!;
  const last = recordings.at(-1)!;
  const which = first === last ? `recording ${first}` : `recordings ${first} to ${last}`;
  process.stderr.write(
    `Imported ${rows} rows, which stand for ${events} connections, as ${which}; ${skipped} bad rows left out.\n`,
  );
  if (unread.length > 0) process.stderr.write(`Columns that are not read: ${visible(unread.join(', '))}.\n`);
  if (known > 0)
    process.stderr.write(`The record had ${known} of these rows before: they count twice now.\n`);
}
