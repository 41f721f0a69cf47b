import { LOG_FORMATS } from './log/log-format.ts';

/** What an import reads; apart from the readers, which the help of the command does without. */
export const IMPORT_FORMATS = ['csv', 'ndjson', 'parquet', ...LOG_FORMATS] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];
