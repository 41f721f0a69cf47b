import { readFileSync } from 'node:fs';
import { programFile } from '../../host/program-file.ts';

/** The version of this package. */
export function packageVersion(): string {
  const text = readFileSync(programFile('../package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
