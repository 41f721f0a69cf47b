import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Ended, folder, ROOT, run } from './guest.ts';

export const BOUHEKI = [process.execPath, join(ROOT, 'dist/bundle/main.js')] as const;

/** Runs bouheki to its end. */
export function bouheki(...args: string[]): Ended {
  return run(...BOUHEKI, ...args);
}

/**
 * The rows that `bouheki query` would print, read in the way of that command but in this process: in an emulated
 * machine the two processes of the command take 8 seconds of processor time, a query here one.
 */
export async function query<Row>(db: string, sql: string): Promise<Row[]> {
  // Loaded by the files that need it: with DuckDB it takes four seconds there.
  const { openReader } = await import('../../profiler/read/read.ts');
  const reader = await openReader(db, 'query');
  try {
    const { columns, rows } = await reader.query(sql);
    return rows.map((row) => Object.fromEntries(columns.map((name, index) => [name, row[index]])) as Row);
  } finally {
    reader.close();
  }
}

/** A line of the log of denied connections. */
export interface LogLine {
  Action: string;
  Addr: string;
  Comm: string;
  Hostname: string;
  PID: number;
  Port: number;
  Exe?: string;
  UID: number;
  User?: string;
  Protocol: string;
  ParentComm?: string;
  Ancestors?: string;
  Container?: string;
  Image?: string;
  Rule?: string;
  Socket?: string;
  Policy: string;
  Count?: number;
  level: string;
  msg: string;
  time: string;
}

/** How long a recorder may take to say what is waited for, milliseconds. */
const PATIENCE = 600_000;

/** A look at the record is work for the recorder too: it must get on with what is waited for. Milliseconds. */
const BETWEEN_LOOKS = 1000;

/** Those that no test has waited for. */
const left = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of left) child.kill('SIGKILL');
});

/**
 * `bouheki learn` or `bouheki enforce`, running. It writes to files: a pipe without a reader would stop it. It does not
 * keep its file from ending, and ends with it: a test that has failed leaves nothing that enforces on the next ones.
 */
export class Running {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  readonly #out: string;

  private constructor(command: readonly string[]) {
    this.#out = folder();
    const streams = ['stdout', 'stderr'].map((name) => openSync(join(this.#out, name), 'w'));
    const child = spawn(command[0]!, command.slice(1), { cwd: ROOT, stdio: ['ignore', ...streams] });
    for (const stream of streams) closeSync(stream);
    this.#ended = new Promise((resolve) => child.once('exit', resolve));
    left.add(child);
    child.once('exit', () => left.delete(child));
    child.unref();
    this.#child = child;
  }

  /** Starts bouheki. */
  static begin(...args: string[]): Running {
    return new Running([...BOUHEKI, ...args]);
  }

  /** The same by a command that becomes it, such as `setpriv`. */
  static beginBy(command: readonly string[], ...args: string[]): Running {
    return new Running([...command, ...BOUHEKI, ...args]);
  }

  /** Starts bouheki and waits until it records. */
  static async start(...args: string[]): Promise<Running> {
    const running = Running.begin(...args);
    await running.until(args[0] === 'learn' ? /^Recording \d+ into /m : /^(Blocking|Monitoring) by /m);
    return running;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get stdout(): string {
    return readFileSync(join(this.#out, 'stdout'), 'utf8');
  }

  get stderr(): string {
    return readFileSync(join(this.#out, 'stderr'), 'utf8');
  }

  get log(): LogLine[] {
    return lines(this.stdout) as LogLine[];
  }

  /** Waits until standard error holds the pattern, behind the first `from` characters. */
  async until(pattern: RegExp, from = 0): Promise<void> {
    await this.#wait(() => pattern.test(this.stderr.slice(from)), String(pattern));
  }

  /** Waits until standard output holds the pattern. */
  async printed(pattern: RegExp): Promise<void> {
    await this.#wait(() => pattern.test(this.stdout), String(pattern));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until the log has a line that fits, and returns it. */
  async logged(fits: Partial<LogLine>): Promise<LogLine> {
    const wanted = Object.entries(fits) as [keyof LogLine, unknown][];
    const find = () => this.log.find((line) => wanted.every(([key, value]) => line[key] === value));
    await this.#wait(() => find() !== undefined, JSON.stringify(fits));
    return find()!;
  }

  /** Waits until the record has rows that answer `sql`, and returns them. */
  async recorded<Row>(db: string, sql: string): Promise<Row[]> {
    let rows: Row[] = [];
    await this.#wait(async () => (rows = await query<Row>(db, sql)).length > 0, sql, BETWEEN_LOOKS);
    return rows;
  }

  /** Waits for the end, without a signal where none is given. Returns at once where it has ended already. */
  async end(signal?: NodeJS.Signals): Promise<Ended> {
    if (signal) this.signal(signal);
    this.#child.ref();
    const status = await this.#ended;
    return { status, stdout: this.stdout, stderr: this.stderr };
  }

  async #wait(there: () => boolean | Promise<boolean>, what: string, pause = 50): Promise<void> {
    // The clock on the wall may be what a test sets.
    const deadline = performance.now() + PATIENCE;
    while (!(await there())) {
      const ended = this.#child.exitCode ?? this.#child.signalCode;
      // What it wrote last may have come between the two looks.
      if (ended !== null && (await there())) return;
      if (ended !== null || performance.now() > deadline) {
        const how = ended === null ? 'still runs' : `ended with ${ended}`;
        throw new Error(`no ${what}: bouheki ${how}\n${this.stdout}${this.stderr}`);
      }
      await wait(pause);
    }
  }
}

/** What is behind the last line end is being written. */
function lines(text: string): unknown[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}
