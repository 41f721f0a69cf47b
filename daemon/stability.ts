import { execFile, type ChildProcess } from 'node:child_process';
import { setPriority } from 'node:os';
import { formatExactMoment } from '../format/moment.ts';
import type { SubjectStates } from '../profiler/serve/live-status.ts';
import { exposeToOom } from '../host/oom-score.ts';
import { programFile } from '../host/program-file.ts';
import type { Discovery } from '../generator/discovery.ts';
import { leastSpan } from '../generator/readiness.ts';

/**
 * Between two looks at least, milliseconds, and as a multiple of what the last one took: a tenth of the time
 * at most.
 */
const LOOK_EVERY = 60_000;
const REST = 9;

/** The same where nobody waits for the answer, which is for metrics alone: a hundredth of the time. */
const SELDOM = 600_000;
const LONG_REST = 99;

/** Characters of the answer. */
const MOST = 256e6;

/**
 * Looks every now and then whether every subject in a record that is being written is stable.
 * `bouheki status` does that, in a process of its own and at low priority: this one has rings to read.
 */
export class StabilityWatch {
  readonly #db: string;
  #since: number;
  readonly #atLeast: number | undefined;
  readonly #every: number;
  readonly #rest: number;
  #child: ChildProcess | undefined;
  #next: number | undefined;
  #known: Discovery | undefined;
  /** Why the last look had no result. */
  failure: string | undefined;

  /**
   * `since`: when learning began, microseconds since the epoch. `atLeast`: seconds that the traffic must
   * span to be stable; without it nobody waits for that.
   */
  constructor(db: string, since: number, atLeast?: number) {
    this.#db = db;
    this.#since = since;
    this.#atLeast = atLeast;
    this.#every = atLeast === undefined ? SELDOM : Math.min(LOOK_EVERY, atLeast * 1000);
    this.#rest = atLeast === undefined ? LONG_REST : REST;
  }

  /** Whether somebody waits until every subject is stable. */
  get awaited(): boolean {
    return this.#atLeast !== undefined;
  }

  /** Whether every subject was stable at the last look, and the traffic spanned the time that it must. */
  get stable(): boolean {
    return this.#known !== undefined && this.#atLeast !== undefined && isStable(this.#known, this.#atLeast);
  }

  /** `stable 3 of 5`. */
  get progress(): string {
    if (this.#known === undefined) return 'stable: not known yet';
    const { subjects } = this.#known;
    return `stable ${subjects.filter(({ state }) => state === 'stable').length} of ${subjects.length}`;
  }

  /** Subjects by state at the last look; undefined where it had no result. */
  get states(): SubjectStates | undefined {
    if (this.#known === undefined || this.failure !== undefined) return undefined;
    const states: SubjectStates = { stable: 0, stabilizing: 0, learning: 0 };
    for (const { state } of this.#known.subjects) states[state] += 1;
    return states;
  }

  /** To be called often; looks when it is time. `now`: milliseconds of any clock that only goes forward. */
  tick(now: number): void {
    this.#next ??= now + this.#every;
    if (this.#child !== undefined || now < this.#next) return;
    const began = performance.now();
    const since = formatExactMoment(this.#since);
    const main = programFile('bundle/main.js');
    const child = execFile(
      process.execPath,
      [main, 'status', '--json', '--db', this.#db, '--since', since, ...this.#leastSpan()],
      { maxBuffer: MOST },
      (error, stdout, stderr) => {
        if (this.#child !== child) return;
        this.#child = undefined;
        const took = performance.now() - began;
        this.#next = now + took + Math.max(this.#every, this.#rest * took);
        this.failure = error === null ? undefined : stderr.trim() || error.message;
        if (error === null) this.#known = readinessIn(stdout);
      },
    );
    this.#child = child;
    lower(child.pid);
    exposeToOom(child.pid);
  }

  #leastSpan(): string[] {
    return this.#atLeast === undefined ? [] : ['--at-least', `${leastSpan(this.#atLeast)}s`];
  }

  /** The clock was set: only what comes from `since` on spans time that has passed. */
  restart(since: number): void {
    this.#since = since;
    this.#known = undefined;
    this.#next = undefined;
    this.close();
    this.#child = undefined;
  }

  /** Ends a look that still goes on. */
  close(): void {
    this.#child?.kill('SIGKILL');
  }
}

/** What a status says of readiness; its times are texts. */
function readinessIn(status: string): Discovery {
  const { readiness } = JSON.parse(status) as {
    readiness: Omit<Discovery, 'first' | 'last'> & { first?: string; last?: string };
  };
  const { first, last, ...rest } = readiness;
  return {
    ...rest,
    ...(first !== undefined && { first: Date.parse(first) * 1000 }),
    ...(last !== undefined && { last: Date.parse(last) * 1000 }),
  };
}

/** Whether every subject is stable, in traffic that spans at least so many seconds. */
export function isStable({ first, last, subjects }: Discovery, atLeast: number): boolean {
  if (first === undefined || last === undefined) return false;
  return last - first >= atLeast * 1e6 && subjects.every(({ state }) => state === 'stable');
}

/** It may have ended already. */
function lower(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, 10);
  } catch {
    // Then there is nothing to lower.
  }
}
