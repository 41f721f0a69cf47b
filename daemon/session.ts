import { hostname, release } from 'node:os';
import type { Egress } from '../bpf/egress.ts';
import type { Backend } from '../bpf/probe.ts';
import { BouhekiError } from '../error/error.ts';
import { cgroupRoot } from '../host/cgroup-root.ts';
import { AccountNames } from '../profiler/identity/account.ts';
import type { ContainerNames } from '../profiler/identity/container.ts';
import { CredentialTable } from '../profiler/identity/credential-table.ts';
import { ClockWatch } from '../profiler/record/clock-watch.ts';
import type { BoxRow } from '../profiler/event/dimension.ts';
import type { EventSink } from '../profiler/event/sink.ts';
import { keepDraining } from './drain-timer.ts';
import type { RunningWindow } from '../profiler/record/learning-window.ts';
import { databaseSize } from '../profiler/serve/database-size.ts';
import type { LiveStatus, OutputLoss } from '../profiler/serve/live-status.ts';
import { ProcessTable } from '../profiler/identity/process-table.ts';
import { ProgramPlaces } from '../profiler/identity/program-place.ts';
import { Recorder, type RecorderListeners } from '../profiler/record/recorder.ts';
import type { Recording } from '../profiler/record/recording.ts';
import type { RetentionLimits, RetentionReport } from '../profiler/store/retention.ts';
import { StoreProcess } from '../profiler/store/store-process.ts';
import type { RecentAnswer } from '../profiler/store/recent-answers.ts';
import type { Past, RecordingInfo } from '../profiler/store/store.ts';
import { CanaryWatch } from './canary-watch.ts';
import type { DenialLog } from './denial/denial-log.ts';
import { type FailureHandlers, Isolation, type RecordingFailure } from './isolation.ts';
import { NameService } from './name/name-service.ts';
import type { KernelSide } from './kernel-side.ts';
import type { Messages } from './messages.ts';
import { MetricsServer, type Endpoint } from './metrics-server.ts';

/**
 * With a look at the rings before it and the commit after it, what a SIGKILL can cost is less than a second.
 */
const FLUSH_EVERY = 900;
/**
 * How long the store may take nothing before enforcement goes on without it, milliseconds: its queue fills,
 * then the rings.
 */
const SILENCE = 60_000;

/** Who is recorded, and where. */
export interface SessionOptions extends FailureHandlers {
  /** Where it says what goes wrong; the status has the number of messages that could not be written. */
  messages: Pick<Messages, 'dropped' | 'say'>;
  /** The log of denied connections, for the same reason. */
  log?: Pick<DenialLog, 'dropped' | 'waiting'>;
  db: string;
  info: Omit<RecordingInfo, 'host' | 'kernel' | 'backend' | 'window'>;
  /**
   * How long is to be learnt, seconds, in a window that outlives restarts; without it there is no such
   * window.
   */
  duration?: number | undefined;
  limits?: RetentionLimits | undefined;
  metrics?: Endpoint | undefined;
  /** Whether DNS answers are read, so that connections have names. */
  names: boolean;
  listeners?: RecorderListeners;
  /** Version of bouheki. */
  version: string;
  /** What the status says besides. */
  describe?(): Pick<LiveStatus, 'enforcement' | 'fleet' | 'subjects'>;
  /** Has what is recorded pass through something else. */
  beside?(sink: EventSink): EventSink;
  /** How many cgroups a policy can't tell apart for want of room. */
  unlisted?(): number;
  /** Whether what is enforced goes on when this process ends. */
  keeps?(): boolean;
  /** Called when the session ends, before anything is taken away. */
  ending?(): void;
  /** Called when the clock was set, by so many microseconds. */
  clockSet?(step: number): void;
  /** Called when old events were folded, or when folding could not keep the record within its limits. */
  folded?(report: RetentionReport): void;
  onFoldFailure?(error: unknown): void;
}

/** What a session writes to, and what goes with it. */
interface Opened {
  store: StoreProcess;
  recording: Recording;
  window: RunningWindow | undefined;
  metrics: MetricsServer | undefined;
  /** What the record has of answers; none where no names are read. */
  answers: readonly RecentAnswer[];
}

/** A recording of what the kernel side reports, and the loop that carries events from one to the other. */
export class Session {
  readonly recording: Recording;
  readonly recorder: Recorder;
  /** What the record has of the runs before. */
  readonly past: Past;
  readonly window: RunningWindow | undefined;
  readonly #kernel: KernelSide;
  readonly #names: ContainerNames;
  /** What keeps names for verdicts, or why they can't be gone by. */
  readonly names: NameService | string;
  readonly #accounts = new AccountNames();
  readonly #processes: ProcessTable;
  readonly #store: StoreProcess;
  readonly #options: SessionOptions;
  readonly #metrics: MetricsServer | undefined;
  readonly #canary: CanaryWatch;
  readonly #clock = new ClockWatch();
  readonly #isolation: Isolation;
  /** Microseconds of the learning window that had passed when this run began. */
  readonly #before: number;

  private constructor(kernel: KernelSide, names: ContainerNames, options: SessionOptions, opened: Opened) {
    const { answers, metrics, recording, store, window } = opened;
    this.#kernel = kernel;
    this.#names = names;
    this.#options = options;
    this.#metrics = metrics;
    this.#store = store;
    this.recording = recording;
    this.past = store.past;
    this.window = window;
    this.#before = window?.passed ?? 0;
    const { messages } = options;
    const { attachment, egress } = kernel;
    this.#canary = new CanaryWatch(egress, attachment.backend !== 'cgroup', (text) => messages.say(text));
    const places = new ProgramPlaces(() => egress.openFiles());
    const sink = options.beside?.(recording) ?? recording;
    this.#processes = new ProcessTable(sink, names, undefined, places);
    this.#isolation = new Isolation(options, () => {
      recording.abandon();
      this.recorder.discard();
    });
    const credentials = new CredentialTable(sink, this.#accounts);
    const listeners = this.#isolation.around(options.listeners ?? {});
    this.recorder = new Recorder(egress, sink, this.#processes, credentials, listeners);
    this.names = options.names ? this.#readAnswers(answers) : 'it was started with --no-names';
    store.noticed = (text) => messages.say(`Warning: ${text}\n`);
    store.kernelSide = () => ({
      watch: kernel.describe(this.#canary.unasked, options.unlisted?.() ?? 0),
      pending: egress.connections.pending + egress.denials.pending,
      capacity: egress.connections.size + egress.denials.size,
      output: outputOf(options),
      version: options.version,
      database: databaseSize(options.db),
      ...(typeof this.names !== 'string' && { names: this.names.status }),
      ...options.describe?.(),
    });
  }

  /** Opens the record. From here on the session takes the kernel side away, also when this fails. */
  static async open(kernel: KernelSide, names: ContainerNames, options: SessionOptions): Promise<Session> {
    let store: StoreProcess | undefined;
    let metrics: MetricsServer | undefined;
    try {
      // Not before the kernel side is there: no database is made where nothing can be recorded.
      const opened = (store = await StoreProcess.open(options.db));
      if (options.metrics) metrics = await MetricsServer.listen(options.metrics, () => opened.status());
      const answers = options.names ? await opened.recentAnswers() : [];
      const started = await startRecording(opened, kernel, options);
      const session = new Session(kernel, names, options, { store: opened, metrics, answers, ...started });
      await session.#keepWithin(options.limits);
      return session;
    } catch (error) {
      kernel.stopSignal.forget();
      metrics?.close();
      // Before the rings are gone, which a status reports. What is wrong is what was wrong first.
      await store?.close().catch(() => undefined);
      kernel[Symbol.dispose]();
      throw error;
    }
  }

  get egress(): Egress {
    return this.#kernel.egress;
  }

  /** Why readers can't ask while this session runs; undefined when they can. */
  get unserved(): string | undefined {
    return this.#store.unserved;
  }

  /** How the kernel is watched, and why in this way. */
  get backend(): { name: Backend; reason: string } {
    return { name: this.#kernel.attachment.backend, reason: this.#kernel.reason };
  }

  /** The cgroup that alone is watched; undefined when the whole host is. */
  get cgroup(): string | undefined {
    return this.#kernel.cgroup;
  }

  /** Seconds that have passed of the learning window, or of this recording, however often the clock was set. */
  get passed(): number {
    return (this.#before + this.#clock.passed) / 1e6;
  }

  /** Why recording failed while the kernel side went on; undefined when it did not. */
  get failure(): RecordingFailure | undefined {
    return this.#isolation.failure;
  }

  /** How many containers went without a name so far, and why their runtimes could not be asked. */
  get unnamed(): { containers: number; troubles: ReadonlyMap<string, number> } {
    return { containers: this.#processes.unnamed, troubles: this.#names.troubles };
  }

  /** The port where metrics are offered. */
  get metricsPort(): number | undefined {
    return this.#metrics?.port;
  }

  /**
   * Carries events until the learning window is over or a stop signal comes, then reads what is left and
   * closes the recording. `tick` is called about once a second, after each commit, and returns whether it is
   * enough. Returns whether the window was cut short: by the end of the system or of the service, for
   * example, but not by Ctrl-C, which is the user's word that it is enough.
   */
  async run(tick: () => boolean | void): Promise<boolean> {
    let failure: unknown;
    let cutShort = false;
    try {
      cutShort = await this.#carry(tick);
    } catch (error) {
      failure = error;
    }
    await this.#close(failure, cutShort ? 'interrupted' : 'complete');
    return cutShort;
  }

  /** Names the boxes of a policy that is in force from a generation on, where there still is a recording. */
  nameBoxes(generation: bigint, boxes: readonly BoxRow[]): void {
    if (this.failure !== undefined) return;
    this.#isolation.recording(() => this.recorder.setBoxBase(generation, this.recording.boxes(boxes)));
  }

  /** Takes everything away again without having run. */
  async abort(): Promise<void> {
    await this.#close(undefined, 'complete');
  }

  /** Whether the learning window is. */
  get #over(): boolean {
    return this.passed >= this.#options.duration!;
  }

  /** Has DNS answers read. Where the kernel refuses, connections go without names, and nothing else is different. */
  #readAnswers(past: readonly RecentAnswer[]): NameService | string {
    const { messages } = this.#options;
    try {
      const root = cgroupRoot();
      const options = { cgroup: this.cgroup ?? root, root, egress: this.egress, past };
      return NameService.open(options, this.recorder, (text) => messages.say(text));
    } catch (error) {
      if (!(error instanceof BouhekiError)) throw error;
      messages.say(`Warning: connections are recorded without DNS names: ${error.message}.\n`);
      return error.message;
    }
  }

  /**
   * Carries events until a stop signal, the end of the window or `tick` ends it. Returns whether the window
   * was cut short.
   */
  async #carry(tick: () => boolean | void): Promise<boolean> {
    const { promise, reject, resolve } = deferred<boolean>();
    const guarded = (work: () => void) => () => {
      try {
        work();
      } catch (error) {
        reject(error);
      }
    };
    const drain = (): void => this.#isolation.recording(() => this.recorder.drain());
    const stopDraining = keepDraining(this.egress, guarded(drain));
    const flush = setInterval(
      guarded(() => {
        if (this.#second(tick)) resolve(false);
      }),
      FLUSH_EVERY,
    );
    void this.#kernel.stopSignal.came.then((signal) =>
      resolve(this.window !== undefined && signal !== 'SIGINT' && !this.#over),
    );
    try {
      return await promise;
    } finally {
      stopDraining();
      clearInterval(flush);
    }
  }

  /** What is done about once a second. Returns whether it is enough. */
  #second(tick: () => boolean | void): boolean {
    this.#isolation.recording(() => this.#flush());
    const enough = this.#isolation.beside(tick) === true;
    this.#isolation.beside(() => this.#followClock());
    const { names } = this;
    if (typeof names !== 'string') this.#isolation.beside(() => names.tick());
    // A timer cannot wait for longer than 24 days.
    return enough || (this.window !== undefined && this.#over);
  }

  #followClock(): void {
    const step = this.#clock.look();
    if (step === 0) return;
    if (this.failure === undefined) this.#isolation.recording(() => this.recording.clockStep(step));
    this.#options.clockSet?.(step);
  }

  #flush(): void {
    this.recorder.flush();
    if (this.#options.onStoreFailure === undefined || this.#store.silence() < SILENCE) return;
    this.#store.kill();
    throw new BouhekiError('store', `the database took nothing for ${SILENCE / 1000} seconds`, {
      remedy: 'See whether its disk answers, and start again.',
    });
  }

  /** Where the recording fails meanwhile the rest is read for the log alone. */
  async #drainAll(): Promise<void> {
    try {
      await this.recorder.drainAll();
    } catch (error) {
      this.#isolation.recordingFailed(error);
      await this.recorder.drainAll();
    }
  }

  async #keepWithin(limits: RetentionLimits | undefined): Promise<void> {
    if (limits === undefined) return;
    await this.#store.keepWithin(limits, {
      folded: (report) => {
        this.recording.counters.lost.size += report.thinned;
        this.#options.folded?.(report);
      },
      failed: (error) => this.#options.onFoldFailure?.(error),
    });
  }

  async #close(failure: unknown, state: 'complete' | 'interrupted'): Promise<void> {
    this.#kernel.stopSignal.forget();
    await this.#canary.close();
    this.#options.ending?.();
    try {
      // Once the programs are gone little or nothing is added to the rings; what they hold ends the record.
      if (this.#options.keeps?.() === true) this.egress.reportDenialsAlone();
      else this.egress.flip(0);
      // Also without a recording: the log still receives denials.
      if (failure === undefined) await this.#drainAll();
      if (failure === undefined && this.failure === undefined) {
        await Promise.all([this.#names.settle(), this.#accounts.settle()]);
        this.recorder.flush();
        await this.recording.end(state);
      }
    } finally {
      if (typeof this.names !== 'string') this.names[Symbol.dispose]();
      this.#metrics?.close();
      await this.#store.close().finally(() => this.#kernel[Symbol.dispose]());
    }
    if (failure !== undefined) throw failure;
  }
}

/** What could not be written for people. */
function outputOf({ messages, log }: SessionOptions): OutputLoss {
  return {
    messages: messages.dropped,
    ...(log && { lines: log.dropped, waiting: log.waiting }),
  };
}

async function startRecording(
  store: StoreProcess,
  { attachment }: KernelSide,
  { duration, info }: SessionOptions,
): Promise<Pick<Opened, 'recording' | 'window'>> {
  const host = hostname();
  const window =
    duration === undefined
      ? undefined
      : await store.learningWindow({ host, target: info.target, seconds: duration });
  const recording = await store.startRecording({
    host,
    kernel: release(),
    backend: attachment.backend,
    ...info,
    ...(window && { window }),
  });
  return { recording, window };
}

/** A promise, and what settles it. */
function deferred<T>(): {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
} {
  let settle!: { resolve(value: T): void; reject(reason: unknown): void };
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...settle };
}
