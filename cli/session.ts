import { hostname, release } from 'node:os';
import { provesItself } from '../bpf/canary.ts';
import { Egress } from '../bpf/egress.ts';
import { lsmParameter, activeLsms } from '../bpf/probe.ts';
import { requireAll } from '../bpf/requirement.ts';
import { BouhekiError } from '../error/error.ts';
import { ContainerNames } from '../profiler/container.ts';
import { primeIdentities } from '../profiler/prime.ts';
import { ProcessTable } from '../profiler/process-table.ts';
import { Recorder, type RecorderListeners } from '../profiler/recorder.ts';
import type { Recording } from '../profiler/recording.ts';
import {
  openRecorder,
  type InterruptedRecording,
  type RecorderStore,
  type RecordingInfo,
} from '../profiler/store.ts';
import { onStopSignal } from './stop-signal.ts';

/** How often the rings are read empty, milliseconds: 16 MiB hold 100 ms of 1,500,000 connections a second. */
const DRAIN_EVERY = 20;
/** What a SIGKILL can cost, milliseconds. */
const FLUSH_EVERY = 1000;

export interface SessionOptions {
  db: string;
  info: Omit<RecordingInfo, 'host' | 'kernel' | 'backend'>;
  listeners?: RecorderListeners;
  /** Called when recording fails while the kernel side goes on; without it the session ends with the error. */
  onStoreFailure?(error: unknown): void;
}

/** The kernel side loaded and proven, a recording open, and the loop that carries events from one to the other. */
export class Session {
  readonly egress: Egress;
  readonly recording: Recording;
  readonly recorder: Recorder;
  /** Recordings of an earlier run that was killed. */
  readonly interrupted: readonly InterruptedRecording[];
  readonly #store: RecorderStore;
  readonly #options: SessionOptions;
  #recordingFailed = false;

  private constructor(
    egress: Egress,
    store: RecorderStore,
    recording: Recording,
    names: ContainerNames,
    options: SessionOptions,
  ) {
    this.egress = egress;
    this.recording = recording;
    this.interrupted = store.interrupted;
    this.#store = store;
    this.#options = options;
    store.rings = () => ({
      pending: egress.connections.pending + egress.denials.pending,
      capacity: egress.connections.size + egress.denials.size,
    });
    this.recorder = new Recorder(egress, recording, new ProcessTable(recording, names), options.listeners);
  }

  /** Checks everything before it changes anything. Throws a BouhekiError for the first thing that stands in the way. */
  static async open(options: SessionOptions, names = new ContainerNames()): Promise<Session> {
    requireAll();
    const store = await openRecorder(options.db);
    try {
      const egress = Egress.load();
      try {
        await requireProof(egress);
        primeIdentities(egress);
        const recording = await store.startRecording({
          host: hostname(),
          kernel: release(),
          backend: 'lsm',
          ...options.info,
        });
        return new Session(egress, store, recording, names, options);
      } catch (error) {
        egress[Symbol.dispose]();
        throw error;
      }
    } catch (error) {
      store.close();
      throw error;
    }
  }

  /**
   * Carries events until `seconds` are over or a stop signal comes, then reads what is left and closes the recording.
   * `tick` is called once a second, after each commit.
   */
  async run(seconds: number | undefined, tick: () => void): Promise<void> {
    let failure: unknown;
    try {
      await new Promise<void>((resolve, reject) => {
        const guarded = (work: () => void) => () => {
          try {
            work();
          } catch (error) {
            reject(error);
          }
        };
        const drain = setInterval(
          guarded(() => this.#recording(() => this.recorder.drain())),
          DRAIN_EVERY,
        );
        const flush = setInterval(
          guarded(() => {
            this.#recording(() => this.recorder.flush());
            tick();
          }),
          FLUSH_EVERY,
        );
        const end = seconds === undefined ? undefined : setTimeout(resolve, seconds * 1000);
        const forget = onStopSignal(resolve);
        this.#stop = () => {
          clearInterval(drain);
          clearInterval(flush);
          clearTimeout(end);
          forget();
        };
      });
    } catch (error) {
      failure = error;
    }
    this.#stop();
    await this.#close(failure);
  }

  /** Takes everything away again without having run. */
  async abort(): Promise<void> {
    await this.#close(undefined);
  }

  #stop: () => void = () => {};

  /** Runs work that writes to the store. A failure ends the recording; whether the session goes on is the caller's. */
  #recording(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof BouhekiError) || !this.#options.onStoreFailure) throw error;
      this.#recordingFailed = true;
      this.recording.abandon();
      this.recorder.discard();
      this.#options.onStoreFailure(error);
    }
  }

  async #close(failure: unknown): Promise<void> {
    try {
      // Once the programs are gone nothing is added to the rings; what they hold is the end of the record.
      this.egress.flip(0);
      if (failure === undefined && !this.#recordingFailed) {
        this.recorder.drain();
        this.recorder.flush();
        await this.recording.end('complete');
      }
    } finally {
      await this.#store.stopServing();
      this.egress[Symbol.dispose]();
      this.#store.close();
    }
    if (failure !== undefined) throw failure;
  }
}

async function requireProof(egress: Egress): Promise<void> {
  if (await provesItself(egress)) return;
  throw new BouhekiError(
    'kernel',
    'the programs are attached, but the kernel does not ask them: bpf is no active LSM',
    {
      remedy: `add the boot parameter ${lsmParameter(activeLsms())} (in /etc/default/grub, then update-grub) and reboot`,
    },
  );
}
