import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..', '..');
/** The program as it is compiled, and as it is installed. */
export const CLI = join(ROOT, 'cli', 'main.js');
export const BUNDLE = join(ROOT, 'bundle', 'main.js');

/** Prints what was measured beside what is known to be right, and keeps count of what differs. */
export class Checks {
  failed = 0;

  /** Equal, or counted as a failure. */
  equal(what: string, actual: number, expected: number, note = ''): void {
    const fine = actual === expected;
    if (!fine) this.failed++;
    this.#print(fine, what, `${format(actual)}${fine ? '' : `, expected ${format(expected)}`}`, note);
  }

  /** At most `limit`. */
  atMost(what: string, actual: number, limit: number, unit: string): void {
    this.#compare(actual <= limit, what, `${format(actual)} ${unit}`, `at most ${format(limit)} ${unit}`);
  }

  /** At least `limit`. */
  atLeast(what: string, actual: number, limit: number): void {
    this.#compare(actual >= limit, what, actual.toFixed(3), `at least ${limit}`);
  }

  /** A statement that must be true. */
  holds(what: string, fine: boolean, note = ''): void {
    if (!fine) this.failed++;
    this.#print(fine, what, fine ? 'yes' : 'no', note);
  }

  #compare(fine: boolean, what: string, value: string, limit: string): void {
    if (!fine) this.failed++;
    this.#print(fine, what, value, limit);
  }

  #print(fine: boolean, what: string, value: string, note: string): void {
    console.log(`${fine ? 'ok  ' : 'FAIL'}  ${what.padEnd(52)} ${value.padStart(18)}  ${note}`.trimEnd());
  }
}

/** Runs `work`; the result and the milliseconds of processor time of this process that it took. */
export function timed<T>(work: () => T): { result: T; milliseconds: number } {
  const before = process.cpuUsage();
  const started = performance.now();
  const result = work();
  const { system, user } = process.cpuUsage(before);
  // On a busy machine the clock on the wall measures others; on an idle one the collector's threads add to ours.
  return { result, milliseconds: Math.min((user + system) / 1000, performance.now() - started) };
}

function format(value: number): string {
  return (Number.isInteger(value) ? String(value) : value.toFixed(1)).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

export interface Measured {
  stdout: string;
  seconds: number;
  /** Seconds of processor time. */
  processor: number;
  megabytes: number;
}

/** Runs a program of ours to its end. */
export function measure(args: readonly string[]): Measured {
  const time = ['-f', '%e %U %S %M', process.execPath, ...args];
  const { stderr, stdout } = spawnSync('/usr/bin/time', time, { encoding: 'utf8', maxBuffer: 1 << 30 });
  const [seconds, user, system, kilobytes] = stderr.trim().split('\n').at(-1)!.split(' ').map(Number);
  return { stdout, seconds: seconds!, processor: user! + system!, megabytes: kilobytes! / 1000 };
}

export function tellProcessor({ processor }: Measured): void {
  const load = execFileSync('cat', ['/proc/loadavg'], { encoding: 'utf8' }).split(' ')[0];
  console.log(`      processor ${processor.toFixed(1)} s, with a load of ${load} on the machine`);
}
