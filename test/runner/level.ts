import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The levels of tests by what they need. */
export interface Level {
  readonly name: string;
  /** Inside the VM, as root, one file at a time. Otherwise here. */
  readonly inVm: boolean;
  /** In a VM that systemd has booted. */
  readonly systemd?: boolean;
  /** For one run of the whole level on one kernel. */
  readonly limitSeconds: number;
  /** For each file. */
  readonly fileLimitSeconds: number;
}

export const LEVELS: readonly Level[] = [
  { name: 'unit', inVm: false, limitSeconds: 900, fileLimitSeconds: 300 },
  { name: 'vm', inVm: false, limitSeconds: 600, fileLimitSeconds: 300 },
  { name: 'kernel', inVm: true, limitSeconds: 1200, fileLimitSeconds: 600 },
  { name: 'e2e', inVm: true, limitSeconds: 2700, fileLimitSeconds: 600 },
  { name: 'systemd', inVm: true, systemd: true, limitSeconds: 900, fileLimitSeconds: 600 },
];

/** The compiled test files of a level. The sources decide, because a removed source leaves its compiled file behind. */
export function testFiles(root: string, level: Level): string[] {
  const folder = join(root, 'test', level.name);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join('dist', 'test', level.name, path.replace(/\.ts$/, '.js')))
    .sort();
}
