import { BouhekiError } from '../../error/error.ts';
import { OwnerTable, type OwnedBlock } from '../../generator/rule/owner.ts';
import { formatPrefix, readPrefix } from '../../policy/value/cidr.ts';
import { CsvParser, type CsvRow } from '../../profiler/event/csv.ts';
import type { Warn } from './policy-file.ts';
import { readTrustedText } from './trusted-text.ts';

/**
 * Reads a CSV of `owner,prefix` rows; `#` begins a comment, and a first row without digits is a head. Throws
 * BouhekiError `usage` with file and line, also when there is no block in it, and `untrusted` for a file that
 * others can write.
 */
export function readOwners(path: string, warn: Warn): OwnerTable {
  let text: string;
  try {
    text = readTrustedText(path);
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    throw new BouhekiError('usage', `cannot read the owners ${path}`, {
      remedy: 'Name a CSV file of owner,prefix that exists and that you may read.',
      detail: (error as Error).message,
      cause: error,
    });
  }
  const parser = new CsvParser();
  // A comment may hold a quote, which would begin a cell.
  const rows = [...parser.push(text.replace(/^[ \t]*#.*/gm, '')), ...parser.end()];
  const blocks = rows.flatMap((row, index) =>
    index === 0 && isHead(row) ? [] : blockOf(row, `${path}:${row.line}`, warn),
  );
  if (blocks.length > 0) return new OwnerTable(blocks);
  throw new BouhekiError('usage', `${path} has no block of an owner`, { remedy: REMEDY });
}

const REMEDY = 'Write one owner,prefix a line, such as example,203.0.113.0/24.';

function isHead({ fields }: CsvRow): boolean {
  return fields.length > 1 && !/[\d:]/.test(fields.at(-1)!);
}

function blockOf({ fields, problem }: CsvRow, where: string, warn: Warn): OwnedBlock[] {
  const last = (fields.at(-1) ?? '').replace(/#.*/, '').trim();
  const owner = fields.slice(0, -1).join(',').trim();
  if (problem === undefined && last === '' && owner === '') return [];
  const reading = readPrefix(last);
  if (problem === undefined && 'prefix' in reading && owner !== '') {
    if (reading.cleared)
      warn(`${where}: ${last} has host bits set and is read as ${formatPrefix(reading.prefix)}\n`);
    return [{ owner, prefix: reading.prefix }];
  }
  const separator = fields.length === 1 ? /[;\t|]/.exec(last)?.[0] : undefined;
  const separated =
    separator && `the columns are separated by ${JSON.stringify(separator)}; CSV separates them by ","`;
  const fault = 'fault' in reading ? reading.fault : 'the owner is missing';
  throw new BouhekiError('usage', `${where}: ${separated ?? problem ?? fault}`, { remedy: REMEDY });
}
