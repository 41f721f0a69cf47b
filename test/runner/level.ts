import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The levels of tests by what they need. */
export interface Level {
  readonly name: string;
  /** Inside the VM, as root, one file at a time. Otherwise here. */
  readonly inVm: boolean;
  /** For one run of the whole level on one kernel. */
  readonly limitSeconds: number;
}

export const LEVELS: readonly Level[] = [
  { name: 'unit', inVm: false, limitSeconds: 600 },
  { name: 'vm', inVm: false, limitSeconds: 300 },
  { name: 'kernel', inVm: true, limitSeconds: 900 },
  { name: 'e2e', inVm: true, limitSeconds: 900 },
];

/** The compiled test files of a level. The sources decide, because a removed source leaves its compiled file behind. */
export function testFiles(root: string, level: Level): string[] {
  return readdirSync(join(root, 'test', level.name), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join('dist', 'test', level.name, path.replace(/\.ts$/, '.js')))
    .sort();
}
