import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { BatchQueue } from './batch-queue.ts';
import type { LearningPlan, LearningWindow } from './learning-window.ts';
import { liveStatus, type LiveStatus, type KernelSide } from './live-status.ts';
import { keepFilesPrivate } from './private-files.ts';
import { QueuedWriter } from './queued-writer.ts';
import { Recording } from './recording.ts';
import type { RetentionLimits, RetentionReport } from './retention.ts';
import type { Past, RecordingInfo } from './store.ts';
import {
  unpack,
  type FromStore,
  type StoreMethod,
  type StoreMethods,
  type ToStore,
} from './store-message.ts';

export interface FoldListeners {
  folded(report: RetentionReport): void;
  failed(error: unknown): void;
}

/**
 * The database in a thread of its own, so that nothing it waits for, a slow disk above all, keeps this one from the
 * rings. That thread commits, folds and answers readers; this one gives it batches through a queue of bounded memory.
 * When the queue is full, events stay in the rings, and the kernel counts what does not fit there.
 */
export class StoreThread {
  /** What was found when the database was opened. */
  past: Past = { interrupted: [], lastEnforcement: undefined };
  /** Why readers can't ask while this recorder runs; undefined when they can. */
  unserved: string | undefined;
  /** Where the state of the kernel side is to be looked up, until `close`. */
  kernelSide: () => KernelSide = () => ({ pending: 0, capacity: 0 });
  /** Told in a sentence what was found amiss with the files of the record. */
  noticed: (text: string) => void = () => {};
  readonly #worker: Worker;
  #exited: Promise<unknown>;
  readonly #queue = new BatchQueue();
  readonly #writer = new QueuedWriter(this.#queue, {
    send: (orders) => this.#post({ orders }),
    end: (end) => this.#call('end', end),
    abandon: () => this.#post({ abandon: true }),
  });
  readonly #calls = new Map<number, Settling>();
  #callCount = 0;
  #recording: Recording | undefined;
  #fold: FoldListeners | undefined;

  private constructor() {
    this.#worker = new Worker(new URL('store-worker.js', import.meta.url), {
      workerData: this.#queue.memory,
      // Batches are made here, and answers to readers; both are short-lived and small.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    this.#exited = once(this.#worker, 'exit');
    this.#worker.on('message', (message: FromStore) => this.#receive(message));
    this.#worker.on('error', (error: Error) => this.#fail(error));
  }

  /** As `openRecorder`. Until `close` all files that this process makes belong to their owner alone. */
  static async open(path: string): Promise<StoreThread> {
    const release = keepFilesPrivate();
    const thread = new StoreThread();
    thread.#exited = thread.#exited.finally(release);
    try {
      const { past, unserved } = await thread.#call('open', path);
      thread.past = past;
      thread.unserved = unserved;
      return thread;
    } catch (error) {
      await thread.#exited;
      throw error;
    }
  }

  /** What this recorder has done so far. */
  status(): LiveStatus {
    return liveStatus(this.#recording, this.kernelSide());
  }

  /** As RecorderStore.learningWindow. */
  async learningWindow(plan: LearningPlan): Promise<LearningWindow & { resumed: boolean }> {
    return await this.#call('learningWindow', plan);
  }

  /** Starts the one recording. A failure reaches whoever appends next. */
  async startRecording(info: RecordingInfo): Promise<Recording> {
    this.#recording = new Recording(await this.#call('startWriting', info), this.#writer);
    return this.#recording;
  }

  /** Keeps the record within limits from now on, once a minute. */
  async keepWithin(limits: RetentionLimits, listeners: FoldListeners): Promise<void> {
    this.#fold = listeners;
    await this.#call('keepWithin', limits);
  }

  /** Stops folding, sends readers away and closes the database. A recording that has not ended counts as interrupted. */
  async close(): Promise<void> {
    this.#fold = undefined;
    await this.#call('close', undefined);
    await this.#exited;
  }

  #post(message: ToStore): void {
    // eslint-disable-next-line unicorn/require-post-message-target-origin -- it is no window
    this.#worker.postMessage(message);
  }

  async #call<M extends StoreMethod>(
    method: M,
    argument: Parameters<StoreMethods[M]>[0],
  ): Promise<Awaited<ReturnType<StoreMethods[M]>>> {
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
    } else if ('failed' in message) this.#writer.failure ??= unpack(message.failed) as Error;
    else if ('ask' in message) this.#post({ asked: message.ask, status: this.status() });
    else if ('noticed' in message) this.noticed(message.noticed);
    else if ('folded' in message) this.#fold?.folded(message.folded);
    else this.#fold?.failed(unpack(message.unfolded));
  }

  /** That thread is gone, by a bug. */
  #fail(error: Error): void {
    this.#writer.failure ??= error;
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }
}

interface Settling {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}
