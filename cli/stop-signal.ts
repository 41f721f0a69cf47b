const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type StopSignal = (typeof SIGNALS)[number];

export interface AwaitedStopSignal {
  /** Resolves with the first one. */
  came: Promise<StopSignal>;
  /** Stops listening. */
  forget(): void;
}

/**
 * Listens for SIGINT, SIGTERM and SIGHUP; a second one ends the process at once. A process that handles SIGHUP
 * otherwise (to reload) has registered its own listener before.
 */
export function awaitStopSignal(): AwaitedStopSignal {
  let come: (signal: StopSignal) => void;
  const came = new Promise<StopSignal>((resolve) => (come = resolve));
  let stopping = false;
  const signals = SIGNALS.filter((signal) => signal !== 'SIGHUP' || process.listenerCount('SIGHUP') === 0);
  const listener = (signal: StopSignal): void => {
    if (stopping) process.exit(signal === 'SIGINT' ? 130 : 143);
    stopping = true;
    come(signal);
  };
  for (const signal of signals) process.on(signal, listener);
  return {
    came,
    forget: () => {
      for (const signal of signals) process.off(signal, listener);
    },
  };
}
