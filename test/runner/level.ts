import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The levels of tests by what they need. */
export interface Level {
  readonly name: string;
  /** Inside the VM, as root, one file at a time. Otherwise here. */
  readonly inVm: boolean;
  /** In a VM that systemd has booted. */
  readonly systemd?: boolean;
  /** Is run only when it is named. */
  readonly onRequest?: boolean;
  /** How many parts the level's files are dealt to, which may run at one time; one where it is not said. */
  readonly parts?: number;
  /** For one part of the level. */
  readonly limitSeconds: number;
  /** For each file. */
  readonly fileLimitSeconds: number;
}

/** The longest first: what is begun last should not be what everything waits for. */
export const LEVELS: readonly Level[] = [
  { name: 'e2e', inVm: true, parts: 3, limitSeconds: 2400, fileLimitSeconds: 900 },
  { name: 'kernel', inVm: true, parts: 2, limitSeconds: 2400, fileLimitSeconds: 900 },
  { name: 'unit', inVm: false, parts: 2, limitSeconds: 1800, fileLimitSeconds: 300 },
  { name: 'systemd', inVm: true, systemd: true, limitSeconds: 2400, fileLimitSeconds: 1500 },
  { name: 'server', inVm: true, onRequest: true, limitSeconds: 900, fileLimitSeconds: 600 },
  { name: 'vm', inVm: false, limitSeconds: 3000, fileLimitSeconds: 3000 },
];

/** The compiled test files of a level. The sources decide: one that was removed after the build has its compiled file still. */
export function testFiles(root: string, level: Level): string[] {
  const folder = join(root, 'test', level.name);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join('dist', 'test', level.name, path.replace(/\.ts$/, '.js')))
    .sort();
}
