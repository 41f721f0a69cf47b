/** `npm run bench:start`: processor time until the command line has answered, beside that of Node alone, in turn. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '../../bundle/main.js');
const RUNS = 15;
const HELPED = [
  'learn',
  'generate',
  'enforce',
  'drift',
  'check',
  'diff',
  'explain',
  'review',
  'schema',
  'import',
  'export',
  'query',
  'status',
  'doctor',
];

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  'node -e 0': ['-e', '0'],
  'bouheki --version': [MAIN, '--version'],
  'bouheki --help': [MAIN, '--help'],
  'bouheki lern': [MAIN, 'lern'],
  ...Object.fromEntries(
    HELPED.map((command) => [`bouheki ${command} --help`, [MAIN, command, '--help']] as const),
  ),
};

/** Seconds in user and kernel mode of one run, by bash, which alone reports them of a child. */
function processorTime(args: readonly string[]): number {
  const script = 'TIMEFORMAT="%U %S"; time "$@" >/dev/null 2>/dev/null';
  const { stderr } = spawnSync('bash', ['-c', script, 'bash', process.execPath, ...args], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  return stderr
    .trim()
    .split(' ')
    .reduce((sum, part) => sum + Number(part), 0);
}

const times = Object.values(COMMANDS).map((): number[] => []);
for (let run = 0; run < RUNS; run += 1) {
  for (const [index, args] of Object.values(COMMANDS).entries()) times[index]!.push(processorTime(args));
}
const least = times.map((each) => Math.min(...each));
for (const [index, name] of Object.keys(COMMANDS).entries()) {
  const ratio = (least[index]! / least[0]!).toFixed(2);
  process.stdout.write(`${name.padEnd(22)} ${(least[index]! * 1000).toFixed(0).padStart(5)} ms  x${ratio}\n`);
}
