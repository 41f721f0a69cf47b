import { writeOutput } from '../option/output-file.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import { printPage } from './html/page.ts';
import { type PageOptions, readPage } from './read-page.ts';

/** It says what the record says, which its owner alone may read. */
const PRIVATE = 0o600;

/** What `report` was asked for, as commander hands it over. */
export interface ReportOptions extends PageOptions {
  /** A file, or `-`. */
  output: string;
}

/** Writes a page about the record, and about a policy beside it. */
export async function report(file: string | undefined, options: ReportOptions): Promise<void> {
  const data = await readPage(file, options, warnAtOnce);
  writeOutput(options.output, printPage(data), { mode: PRIVATE });
}
