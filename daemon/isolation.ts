import type { RecorderListeners } from '../profiler/record/recorder.ts';

/** What becomes of failures while the kernel side goes on. */
export interface FailureHandlers {
  /**
   * Called when recording fails while the kernel side goes on; without it the session ends with the error.
   */
  onStoreFailure?(error: unknown): void;
  /**
   * Called with what else is thrown while the session goes on all the same; without it the session ends with
   * the error.
   */
  onTrouble?(error: unknown): void;
}

/** What ended a recording before its session. `at` in microseconds since the epoch. */
export interface RecordingFailure {
  error: unknown;
  at: number;
}

/** Keeps failures of the recording, and of what runs beside it, from ending each other and enforcement. */
export class Isolation {
  readonly #handlers: FailureHandlers;
  readonly #abandon: () => void;
  #failure: RecordingFailure | undefined;

  /** `abandon` gives the recording up, once. */
  constructor(handlers: FailureHandlers, abandon: () => void) {
    this.#handlers = handlers;
    this.#abandon = abandon;
  }

  /** Why recording failed while the kernel side went on; undefined when it did not. */
  get failure(): RecordingFailure | undefined {
    return this.#failure;
  }

  /**
   * Runs work that writes to the store. Whatever is thrown ends the recording; whether the session goes on is
   * the caller's. Where it does, the log gets denials as before.
   */
  recording(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.recordingFailed(error);
    }
  }

  /** Ends the recording with what was thrown, or throws it where the session ends with it. */
  recordingFailed(error: unknown): void {
    const { onStoreFailure } = this.#handlers;
    if (onStoreFailure === undefined) throw error;
    this.beside(() => {
      // There is no recording any more that could have failed.
      if (this.#failure !== undefined) throw error;
      this.#failure = { error, at: Date.now() * 1000 };
      this.#abandon();
      onStoreFailure(error);
    });
  }

  /** Runs work that recording does not depend on, nor that on recording. */
  beside<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (this.#handlers.onTrouble === undefined) throw error;
      this.#handlers.onTrouble(error);
      return undefined;
    }
  }

  /** The same listeners, each beside the recording. */
  around(listeners: RecorderListeners): Required<RecorderListeners> {
    return {
      denied: (denial) => this.beside(() => listeners.denied?.(denial)),
      excess: (denials) => this.beside(() => listeners.excess?.(denials)),
      cgroupMade: (id, path) => this.beside(() => listeners.cgroupMade?.(id, path)),
    };
  }
}
