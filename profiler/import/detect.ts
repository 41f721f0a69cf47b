import { readSync } from 'node:fs';
import { constants, gunzipSync } from 'node:zlib';
import { BouhekiError } from '../../error/error.ts';
import { TrustedFile } from '../../host/trusted-file.ts';
import { CsvParser } from '../event/csv.ts';
import type { ImportFormat } from './format.ts';
import { recogniseLog } from './log/recognise.ts';
import { headerProblem } from './row.ts';
import { cannotRead } from './text-input.ts';

/** Bytes at the beginning of a file by which it is recognised. */
const HEAD = 65_536;

/** What a file begins with, as text, unpacked where it is gzip. Throws as `textOf`. */
export function headOf(file: string): string {
  try {
    using source = TrustedFile.open(file);
    const bytes = Buffer.alloc(HEAD);
    const head = bytes.subarray(0, readSync(source.fd, bytes, 0, HEAD, 0));
    const packed = head[0] === 0x1f && head[1] === 0x8b;
    const plain = packed ? gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH }) : head;
    return plain.toString('utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw error instanceof BouhekiError ? error : cannotRead(file, error);
  }
}

/** The format of a file by its beginning. Throws BouhekiError `usage` where that could be any. */
export function detectFormat(file: string): ImportFormat {
  if (file === '-') {
    throw new BouhekiError('usage', 'standard input can be anything', {
      remedy: 'Say what it is with --format.',
    });
  }
  const head = headOf(file);
  const found = recognise(head);
  if (found !== undefined) return found;
  throw new BouhekiError('usage', `${file} does not say by its first line what it is`, {
    remedy: 'Say it with --format. Nothing was imported.',
  });
}

function recognise(head: string): ImportFormat | undefined {
  if (head.startsWith('PAR1')) return 'parquet';
  const first = head.split(/\r?\n/).find((line) => line.trim() !== '') ?? '';
  const log = recogniseLog(first);
  if (log !== undefined) return log;
  if (first.startsWith('{')) return isOwnObject(first) ? 'ndjson' : undefined;
  const [row] = new CsvParser().push(`${first}\n`);
  const header = row?.fields.map((field) => field.trim());
  return header !== undefined && headerProblem(header) === undefined ? 'csv' : undefined;
}

function isOwnObject(line: string): boolean {
  try {
    return headerProblem(Object.keys(JSON.parse(line) as object)) === undefined;
  } catch {
    return false;
  }
}
