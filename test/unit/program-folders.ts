import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The top folders of the program's sources, as the compiler has them. */
export const PROGRAM_FOLDERS: readonly string[] = (
  JSON.parse(readFileSync(join(import.meta.dirname, '../../../tsconfig.json'), 'utf8')) as {
    include: string[];
  }
).include.filter((folder) => folder !== 'test');
