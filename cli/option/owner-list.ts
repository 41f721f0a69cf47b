import { BouhekiError } from '../../error/error.ts';
import { OwnerTable, type OwnedBlock } from '../../generator/rule/owner.ts';
import { readPrefix } from '../../policy/value/cidr.ts';
import { readTrustedText } from './trusted-text.ts';

/**
 * Reads a CSV of `owner,prefix` lines; `#` begins a comment, and a first line without a prefix is a head.
 * Throws BouhekiError `usage` with file and line, and `untrusted` for a file that others can write.
 */
export function readOwners(path: string): OwnerTable {
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
  const blocks: OwnedBlock[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const content = line.replace(/#.*/, '').trim();
    if (content === '') continue;
    const comma = content.lastIndexOf(',');
    const owner = content
      .slice(0, Math.max(0, comma))
      .trim()
      .replace(/^"(.*)"$/, '$1');
    const reading = readPrefix(content.slice(comma + 1).trim());
    if ('prefix' in reading && owner !== '') blocks.push({ owner, prefix: reading.prefix });
    else if (index > 0) {
      const fault = 'fault' in reading ? reading.fault : 'the owner is missing';
      throw new BouhekiError('usage', `${path}:${index + 1}: ${fault}`, {
        remedy: 'Write one owner,prefix a line, such as example,203.0.113.0/24.',
      });
    }
  }
  return new OwnerTable(blocks);
}
