import { hostname, release } from 'node:os';
import { provesItself } from '../bpf/canary.ts';
import { Egress, UNSEEN_BY_CGROUP, type Attachment } from '../bpf/egress.ts';
import { requireAll } from '../bpf/requirement.ts';
import { BouhekiError } from '../error/error.ts';
import { protectFromOom } from '../host/oom-score.ts';
import { AccountNames } from '../profiler/identity/account.ts';
import { ContainerNames } from '../profiler/identity/container.ts';
import { CredentialTable } from '../profiler/identity/credential-table.ts';
import { ClockWatch } from '../profiler/record/clock-watch.ts';
import type { BoxRow } from '../profiler/event/dimension.ts';
import { keepDraining } from './drain-timer.ts';
import { primeIdentities } from '../profiler/identity/prime.ts';
import type { LearningWindow } from '../profiler/record/learning-window.ts';
import type { OutputLoss, Watch } from '../profiler/serve/live-status.ts';
import { ProcessTable } from '../profiler/identity/process-table.ts';
import { Recorder, type RecorderListeners } from '../profiler/record/recorder.ts';
import type { Recording } from '../profiler/record/recording.ts';
import type { RetentionLimits, RetentionReport } from '../profiler/store/retention.ts';
import { StoreProcess } from '../profiler/store/store-process.ts';
import type { Past, RecordingInfo } from '../profiler/store/store.ts';
import { CanaryWatch, whyUnasked } from './canary-watch.ts';
import type { DenialLog } from './denial-log.ts';
import type { Messages } from './messages.ts';
import { MetricsServer, type Endpoint } from './metrics-server.ts';
import { awaitStopSignal, type AwaitedStopSignal } from './stop-signal.ts';

/** With a look at the rings before it and the commit after it, what a SIGKILL can cost is less than a second. */
const FLUSH_EVERY = 900;
/** How long the store may take nothing before enforcement goes on without it, milliseconds: its queue fills, then the rings. */
const SILENCE = 60_000;

export interface SessionOptions {
  /** Where it says what goes wrong; the status tells how many messages could not be said. */
  messages: Pick<Messages, 'dropped' | 'say'>;
  /** The log of denied connections, for the same reason. */
  log?: Pick<DenialLog, 'dropped' | 'waiting'>;
  /** Called when the terminal has gone, for a command that SIGHUP ends otherwise: it goes on. */
  hungUp?(): void;
  db: string;
  attachment: Attachment;
  info: Omit<RecordingInfo, 'host' | 'kernel' | 'backend' | 'window'>;
  /** How long is to be learnt, seconds, in a window that outlives restarts; without it there is no such window. */
  duration?: number | undefined;
  limits?: RetentionLimits | undefined;
  metrics?: Endpoint | undefined;
  listeners?: RecorderListeners;
  /** How many cgroups a policy can't tell apart for want of room. */
  unlisted?(): number;
  /** Called when the session ends, before anything is taken away. */
  ending?(): void;
  /** Called when the clock was set, by so many microseconds. */
  clockSet?(step: number): void;
  /** Called when old events were folded, or when folding could not keep the record within its limits. */
  folded?(report: RetentionReport): void;
  onFoldFailure?(error: unknown): void;
  /** Called when recording fails while the kernel side goes on; without it the session ends with the error. */
  onStoreFailure?(error: unknown): void;
  /** Called with what else is thrown while the session goes on all the same; without it the session ends with the error. */
  onTrouble?(error: unknown): void;
}

/** What ended a recording before its session. `at` in microseconds since the epoch. */
export interface RecordingFailure {
  error: unknown;
  at: number;
}

/** The kernel side loaded and proven, a recording open, and the loop that carries events from one to the other. */
export class Session {
  readonly egress: Egress;
  readonly recording: Recording;
  readonly recorder: Recorder;
  /** What the record tells of the runs before. */
  readonly past: Past;
  /** The learning window, and whether an earlier run began it. */
  readonly window: (LearningWindow & { resumed: boolean }) | undefined;
  readonly #names: ContainerNames;
  readonly #accounts: AccountNames;
  readonly #processes: ProcessTable;
  readonly #store: StoreProcess;
  readonly #options: SessionOptions;
  #failure: RecordingFailure | undefined;
  readonly #metrics: MetricsServer | undefined;
  readonly #stopSignal: AwaitedStopSignal;
  readonly #canary: CanaryWatch;
  readonly #clock = new ClockWatch();
  /** Microseconds of the learning window that had passed when this run began. */
  readonly #before: number;

  private constructor(
    egress: Egress,
    store: StoreProcess,
    recording: Recording,
    names: ContainerNames,
    options: SessionOptions,
    window: Session['window'],
    metrics: MetricsServer | undefined,
    stopSignal: AwaitedStopSignal,
  ) {
    this.#stopSignal = stopSignal;
    this.window = window;
    this.#metrics = metrics;
    this.egress = egress;
    this.recording = recording;
    this.past = store.past;
    this.#before = window === undefined ? 0 : Math.max(0, recording.startedAt - window.start);
    this.#store = store;
    this.#options = options;
    const canary = new CanaryWatch(egress, options.attachment.backend === 'lsm', (text) =>
      options.messages.say(text),
    );
    this.#canary = canary;
    store.noticed = (text) => options.messages.say(`Warning: ${text}\n`);
    store.kernelSide = () => ({
      watch: watchOf(egress, options, canary.unasked),
      pending: egress.connections.pending + egress.denials.pending,
      capacity: egress.connections.size + egress.denials.size,
      output: outputOf(options),
    });
    this.#names = names;
    this.#processes = new ProcessTable(recording, names);
    this.#accounts = new AccountNames();
    const credentials = new CredentialTable(recording, this.#accounts);
    const { cgroupMade, denied, excess } = options.listeners ?? {};
    this.recorder = new Recorder(egress, recording, this.#processes, credentials, {
      denied: (denial) => this.#guard(() => denied?.(denial)),
      excess: (denials) => this.#guard(() => excess?.(denials)),
      cgroupMade: (id, path) => this.#guard(() => cgroupMade?.(id, path)),
    });
  }

  /** Checks everything before it changes anything. Throws a BouhekiError for the first thing that stands in the way. */
  static async open(options: SessionOptions, names = new ContainerNames()): Promise<Session> {
    const { attachment } = options;
    requireAll(attachment.backend);
    protectFromOom();
    // From here on a signal lets things be taken away in order.
    const stopSignal = awaitStopSignal(options.hungUp);
    let egress: Egress | undefined;
    let store: StoreProcess | undefined;
    let metrics: MetricsServer | undefined;
    try {
      const loaded = (egress = Egress.load(attachment));
      if (attachment.backend === 'lsm') await requireProof(loaded);
      primeIdentities(loaded);
      // Not before the kernel side is there: no database is made where nothing can be recorded.
      const opened = (store = await StoreProcess.open(options.db));
      if (options.metrics) metrics = await MetricsServer.listen(options.metrics, () => opened.status());
      const host = hostname();
      const { duration, info } = options;
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
      const session = new Session(loaded, store, recording, names, options, window, metrics, stopSignal);
      await session.#keepWithin(options.limits);
      return session;
    } catch (error) {
      stopSignal.forget();
      metrics?.close();
      // Before the rings are gone, of which a status tells. What is wrong is what was wrong first.
      await store?.close().catch(() => undefined);
      egress?.[Symbol.dispose]();
      throw error;
    }
  }

  /** Why readers can't ask while this session runs; undefined when they can. */
  get unserved(): string | undefined {
    return this.#store.unserved;
  }

  /** The cgroup that alone is watched; undefined when the whole host is. */
  get cgroup(): string | undefined {
    const { attachment } = this.#options;
    return attachment.backend === 'cgroup' ? attachment.cgroup : undefined;
  }

  /** Seconds that have passed of the learning window, or of this recording, whatever was made of the clock meanwhile. */
  get passed(): number {
    return (this.#before + this.#clock.passed) / 1e6;
  }

  /** Why recording failed while the kernel side went on; undefined when it did not. */
  get failure(): RecordingFailure | undefined {
    return this.#failure;
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
   * Carries events until the learning window is over or a stop signal comes, then reads what is left and closes the
   * recording. `tick` is called about once a second, after each commit, and says whether it is enough. Returns whether the window was cut short: by the
   * end of the system or of the service, say, but not by Ctrl-C, which is the user's word that it is enough.
   */
  async run(tick: () => boolean | void): Promise<boolean> {
    let failure: unknown;
    let cutShort = false;
    const { window } = this;
    try {
      await new Promise<void>((resolve, reject) => {
        const guarded = (work: () => void) => () => {
          try {
            work();
          } catch (error) {
            reject(error);
          }
        };
        const stopDraining = keepDraining(
          this.egress,
          guarded(() => this.#recording(() => this.recorder.drain())),
        );
        const flush = setInterval(
          guarded(() => {
            this.#recording(() => this.#flush());
            if (this.#guard(tick) === true) resolve();
            this.#guard(() => this.#followClock());
            // A timer cannot wait for longer than 24 days.
            if (window !== undefined && this.#over) resolve();
          }),
          FLUSH_EVERY,
        );
        void this.#stopSignal.came.then((signal) => {
          cutShort = window !== undefined && signal !== 'SIGINT' && !this.#over;
          resolve();
        });
        this.#stop = () => {
          stopDraining();
          clearInterval(flush);
        };
      });
    } catch (error) {
      failure = error;
    }
    this.#stop();
    await this.#close(failure, cutShort ? 'interrupted' : 'complete');
    return cutShort;
  }

  /** Names the boxes of a policy that is in force from a generation on, where there still is a recording. */
  nameBoxes(generation: bigint, boxes: readonly BoxRow[]): void {
    if (this.#failure !== undefined) return;
    this.#recording(() => this.recorder.setBoxBase(generation, this.recording.boxes(boxes)));
  }

  /** Takes everything away again without having run. */
  async abort(): Promise<void> {
    await this.#close(undefined, 'complete');
  }

  /** Whether the learning window is. */
  get #over(): boolean {
    return this.passed >= this.#options.duration!;
  }

  #followClock(): void {
    const step = this.#clock.look();
    if (step === 0) return;
    if (this.#failure === undefined) this.#recording(() => this.recording.clockStep(step));
    this.#options.clockSet?.(step);
  }

  #stop: () => void = () => {};

  #flush(): void {
    this.recorder.flush();
    if (this.#options.onStoreFailure === undefined || this.#store.silence < SILENCE) return;
    this.#store.kill();
    throw new BouhekiError('store', `the database took nothing for ${SILENCE / 1000} seconds`, {
      remedy: 'See whether its disk answers, and start again.',
    });
  }

  /**
   * Runs work that writes to the store. Whatever is thrown ends the recording; whether the session goes on is the
   * caller's. Where it does, the log is told of denials as before.
   */
  #recording(work: () => void): void {
    try {
      work();
    } catch (error) {
      const { onStoreFailure } = this.#options;
      if (onStoreFailure === undefined) throw error;
      this.#guard(() => {
        // There is no recording any more that could have failed.
        if (this.#failure !== undefined) throw error;
        this.#failure = { error, at: Date.now() * 1000 };
        this.recording.abandon();
        this.recorder.discard();
        onStoreFailure(error);
      });
    }
  }

  /** Runs work that recording does not depend on, nor that on recording. */
  #guard<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (this.#options.onTrouble === undefined) throw error;
      this.#options.onTrouble(error);
      return undefined;
    }
  }

  /** Where the recording fails meanwhile the rest is read for the log alone. */
  async #drainAll(): Promise<void> {
    try {
      await this.recorder.drainAll();
    } catch (error) {
      this.#recording(() => {
        throw error;
      });
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
    this.#stopSignal.forget();
    await this.#canary.close();
    this.#options.ending?.();
    try {
      // Once the programs are gone nothing is added to the rings; what they hold is the end of the record.
      this.egress.flip(0);
      // Also without a recording: the log is still told of denials.
      if (failure === undefined) await this.#drainAll();
      if (failure === undefined && this.#failure === undefined) {
        await Promise.all([this.#names.settle(), this.#accounts.settle()]);
        this.recorder.flush();
        await this.recording.end(state);
      }
    } finally {
      this.#metrics?.close();
      await this.#store.close().finally(() => this.egress[Symbol.dispose]());
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

function watchOf(
  { stoppedPackets }: Egress,
  { attachment, unlisted }: SessionOptions,
  unasked: string | undefined,
): Watch {
  const unlistedCgroups = unlisted?.() ?? 0;
  return {
    ...attachment,
    ...(unasked !== undefined && { unasked }),
    ...(attachment.backend === 'cgroup' && { unseen: UNSEEN_BY_CGROUP }),
    ...(stoppedPackets !== undefined && { stoppedPackets }),
    ...(unlistedCgroups > 0 && { unlistedCgroups }),
  };
}

async function requireProof(egress: Egress): Promise<void> {
  if (await provesItself(egress)) return;
  const { reason, remedy } = whyUnasked();
  throw new BouhekiError('kernel', `the programs are attached, but the kernel does not ask them: ${reason}`, {
    remedy,
  });
}
