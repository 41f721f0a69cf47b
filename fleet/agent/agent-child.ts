import { type ChildProcess, fork } from 'node:child_process';
import { exposeToOom } from '../../host/oom-score.ts';
import { programFile } from '../../host/program-file.ts';
import type { AgentOptions } from './agent.ts';
import { BackOff } from './back-off.ts';
import { NOTHING, readStatus } from './told-status.ts';
import type { FleetStatus } from '../../profiler/serve/live-status.ts';

/** Bytes of V8's old generation: it holds what a week has of rows, and what is new of two. */
const HEAP = ['--max-old-space-size=256', '--max-semi-space-size=4'];
/** One that has run for so long has not failed at its start, milliseconds. */
const LONG = 60_000;
/** How long it may take to end, milliseconds. */
const LAST_MOMENT = 2000;

/**
 * The agent in a process of its own, so that no failure, flood or memory of what speaks to a hub can end what records and
 * judges, and that what a hub sends is understood apart from BPF. It ends with this process, and is started again, later
 * and later, when it fails.
 */
export class AgentChild {
  readonly #options: AgentOptions;
  readonly #say: (text: string) => void;
  readonly #backOff = new BackOff();
  #status: FleetStatus = NOTHING;
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ending = false;

  private constructor(options: AgentOptions, say: (text: string) => void) {
    this.#options = options;
    this.#say = say;
    this.#start();
  }

  /** Starts it. What it says goes to `say`. */
  static start(options: AgentOptions, say: (text: string) => void): AgentChild {
    return new AgentChild(options, say);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** As the agent has said last, or that none runs. */
  get status(): FleetStatus {
    return this.#child === undefined ? { ...this.#status, connected: false } : this.#status;
  }

  /** Ends it, a moment later at the latest. */
  async end(): Promise<void> {
    this.#ending = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const timer = setTimeout(() => child.kill('SIGKILL'), LAST_MOMENT);
    if (child.connected) child.disconnect();
    await ended;
    clearTimeout(timer);
  }

  #start(): void {
    const began = performance.now();
    const child = fork(programFile('bundle/agent-process.js'), [JSON.stringify(this.#options)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: HEAP,
    });
    this.#child = child;
    exposeToOom(child.pid);
    let last = '';
    child.stderr?.on('data', (part: Buffer) => (last = (last + part.toString('utf8')).slice(-2000)));
    child.on('message', (message) => {
      const { fleet, say } = Object(message) as { fleet?: unknown; say?: unknown };
      this.#status = readStatus(fleet) ?? this.#status;
      if (typeof say === 'string') this.#say(`Fleet: ${say}`);
    });
    const ended = (how: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      if (this.#ending) return;
      if (performance.now() - began > LONG) this.#backOff.reset();
      const why = last.split('\n').findLast((line) => /\w*Error\b/.test(line)) ?? '';
      const wait = 1000 + this.#backOff.next();
      this.#say(`Fleet: the agent ${how} and is started again${why && `: ${why.trim()}`}.\n`);
      this.#timer = setTimeout(() => this.#start(), wait);
      this.#timer.unref();
    };
    child.once('exit', (status, signal) => ended(`ended with ${signal ?? `status ${status}`}`));
    child.once('error', (error) => ended(`cannot be started: ${error.message}`));
  }
}
