import { fork, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { BouhekiError } from '../../error/error.ts';
import { programFile } from '../../host/program-file.ts';
import type { LearningPlan, RunningWindow } from '../record/learning-window.ts';
import { liveStatus, type LiveStatus, type KernelSide } from '../serve/live-status.ts';
import { Recording } from '../record/recording.ts';
import type { RetentionLimits, RetentionReport } from './retention.ts';
import type { RecentAnswer } from './recent-answers.ts';
import type { Past, RecordingInfo } from './store.ts';
import {
  unpack,
  type FromStore,
  type StoreMethod,
  type StoreMethods,
  type ToStore,
} from './store-message.ts';
import { StoreWriter } from './store-writer.ts';

/** How long to wait for a database that another process has open, and between two looks, milliseconds. */
const PATIENCE = 2000;
const EVERY = 100;

export interface FoldListeners {
  folded(report: RetentionReport): void;
  failed(error: unknown): void;
}

/**
 * The database in a process of its own, so that nothing it waits for, a slow disk above all, keeps this one
 * from the rings, and nothing that becomes of it, an abort in DuckDB's own code above all, ends this one.
 * That process commits, folds and answers readers; this one sends it batches, a bounded number at a time.
 * When no more may be sent, events stay in the rings, and the kernel counts what does not fit there.
 */
export class StoreProcess {
  /** What was found when the database was opened. */
  past: Past = { interrupted: [], lastEnforcement: undefined };
  /** Why readers can't ask while this recorder runs; undefined when they can. */
  unserved: string | undefined;
  /** Where the state of the kernel side is to be looked up, until `close`. */
  kernelSide: () => KernelSide = () => ({ pending: 0, capacity: 0 });
  /** Told in a sentence what was found amiss with the files of the record. */
  noticed: (text: string) => void = () => {};
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #writer = new StoreWriter({
    send: (orders) => this.#post({ orders }),
    end: (end) => this.#call('end', end),
    abandon: () => this.#post({ abandon: true }),
  });
  readonly #calls = new Map<number, Settling>();
  #callCount = 0;
  #recording: Recording | undefined;
  #fold: FoldListeners | undefined;
  /** Why that process is gone. */
  #gone: BouhekiError | undefined;

  private constructor() {
    this.#child = fork(programFile('bundle/store-child.js'), {
      serialization: 'advanced',
      // What DuckDB says when it aborts is not for people, and a reader that stalls must not hold it up.
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      // Batches come and go, and little else.
      execArgv: ['--max-semi-space-size=4'],
    });
    this.#child.on('message', (message: FromStore) => this.#receive(message));
    this.#exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        this.#fail(how);
        resolve();
      };
      this.#child.once('exit', (status, signal) => ended(`ended with ${signal ?? `status ${status}`}`));
      this.#child.once('error', (error) => ended(`cannot be started: ${error.message}`));
    });
  }

  /**
   * As `openRecorder`; what another process has open is waited for, for a moment, such as that of a killed
   * run.
   */
  static async open(path: string): Promise<StoreProcess> {
    const deadline = performance.now() + PATIENCE;
    for (;;) {
      try {
        return await StoreProcess.#openNow(path);
      } catch (error) {
        const busy = error instanceof BouhekiError && error.code === 'store-busy';
        if (!busy || performance.now() > deadline) throw error;
      }
      await sleep(EVERY);
    }
  }

  static async #openNow(path: string): Promise<StoreProcess> {
    const opened = new StoreProcess();
    try {
      const { past, unserved } = await opened.#call('open', { path, pid: process.pid });
      opened.past = past;
      opened.unserved = unserved;
      return opened;
    } catch (error) {
      await opened.#exited;
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** For how long the process has taken nothing of what was sent to it, milliseconds. To be called every second. */
  silence(): number {
    return this.#writer.silence();
  }

  /** Ends the process at once, such as when it does not answer any more. What it has committed stays. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** What this recorder has done so far. */
  status(): LiveStatus {
    return liveStatus(this.#recording, this.kernelSide());
  }

  /** As RecordStore.learningWindow. */
  async learningWindow(plan: LearningPlan): Promise<RunningWindow> {
    return await this.#call('learningWindow', plan);
  }

  /** As RecordStore.recentAnswers. */
  async recentAnswers(): Promise<RecentAnswer[]> {
    return await this.#call('recentAnswers', undefined);
  }

  /** Starts the one recording. A failure reaches the next caller that appends. */
  async startRecording(info: RecordingInfo): Promise<Recording> {
    this.#recording = new Recording(await this.#call('startWriting', info), this.#writer);
    return this.#recording;
  }

  /** Keeps the record within limits from now on, once a minute. */
  async keepWithin(limits: RetentionLimits, listeners: FoldListeners): Promise<void> {
    this.#fold = listeners;
    await this.#call('keepWithin', limits);
  }

  /**
   * Stops folding, sends readers away and closes the database. A recording that has not ended counts as
   * interrupted. Where the process is gone there is nothing to close.
   */
  async close(): Promise<void> {
    this.#fold = undefined;
    await this.#call('close', undefined).catch((error: unknown) => {
      if (this.#gone === undefined) throw error;
    });
    await this.#exited;
  }

  #post(message: ToStore): void {
    // Whether it arrives shows in the answer, or in the end of the process.
    if (this.#child.connected) this.#child.send(message, undefined, undefined, () => undefined);
  }

  async #call<M extends StoreMethod>(
    method: M,
    argument: Parameters<StoreMethods[M]>[0],
  ): Promise<Awaited<ReturnType<StoreMethods[M]>>> {
    if (this.#gone !== undefined) throw this.#gone;
    this.#callCount += 1;
    const call = this.#callCount;
    const answer = new Promise((resolve, reject) => this.#calls.set(call, { resolve, reject }));
    this.#post({ call, method, argument });
    return (await answer) as Awaited<ReturnType<StoreMethods[M]>>;
  }

  #receive(message: FromStore): void {
    if ('called' in message) {
      const call = this.#calls.get(message.called)!;
      this.#calls.delete(message.called);
      if ('thrown' in message) call.reject(unpack(message.thrown));
      else call.resolve(message.value);
    } else if ('taken' in message) this.#writer.taken(message.taken);
    else if ('failed' in message) this.#writer.failure ??= unpack(message.failed) as Error;
    else if ('ask' in message) this.#post({ asked: message.ask, status: this.status() });
    else if ('noticed' in message) this.noticed(message.noticed);
    else if ('folded' in message) this.#fold?.folded(message.folded);
    else this.#fold?.failed(unpack(message.unfolded));
  }

  /** After a close no caller is left to receive it. */
  #fail(how: string): void {
    this.#gone = new BouhekiError('store', `the process that writes the record ${how}`, {
      remedy: 'Start again: everything recorded up to the last second is safe.',
    });
    this.#writer.failure ??= this.#gone;
    for (const { reject } of this.#calls.values()) reject(this.#gone);
    this.#calls.clear();
  }
}

interface Settling {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}
