import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { parsePrefix } from '../../../../../policy/value/cidr.ts';
import type { ImportFormat } from '../../../../../profiler/import/format.ts';
import { importFiles, type ImportOptions, type ImportResult } from '../../../../../profiler/import/import.ts';

export interface Imported {
  result: ImportResult;
  /** Of each connection the columns that were asked for, with `|` between, in the order of time. */
  rows: string[];
  directory: string;
}

export interface Sample {
  /** Contents by the names of files, which are given in this order. */
  files: Record<string, string | Buffer>;
  format?: ImportFormat;
  local?: string[];
  columns?: string;
  options?: Partial<ImportOptions>;
}

export const COLUMNS = 'host, address, port, protocol';

/** Imports files of their own into a new record. */
export async function importSample(t: TestContext, sample: Sample): Promise<Imported> {
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const db = join(directory, 'bouheki.duckdb');
  const files = Object.entries(sample.files).map(([name, text]) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  });
  const result = await importFiles(files, {
    db,
    ...(sample.format && { format: sample.format }),
    ...(sample.local && { local: sample.local.map((text) => parsePrefix(text)!) }),
    skipBad: false,
    again: false,
    ...sample.options,
  });
  const instance = await DuckDBInstance.create(db, { access_mode: 'READ_ONLY' });
  const connection = await instance.connect();
  const columns = sample.columns ?? COLUMNS;
  const found = await connection.runAndReadAll(
    `SELECT concat_ws('|', ${columns
      .split(/,(?![^(]*\))/)
      .map((column) => `coalesce(${column}::VARCHAR, '')`)
      .join()}) FROM connections ORDER BY time, address`,
  );
  connection.closeSync();
  instance.closeSync();
  return { result, rows: found.getRowsJS().map(([row]) => String(row)), directory };
}

/** What an import is refused with: its message, without the directory, and its remedy. */
export async function refusalOf(t: TestContext, sample: Sample): Promise<string> {
  try {
    await importSample(t, sample);
  } catch (error) {
    const { message, remedy = '' } = error as Error & { remedy?: string };
    return `${message.replace(/\/\S*\//g, '')} ${remedy}`.trim();
  }
  return 'imported';
}
