import { HangUp } from './hang-up.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type StopSignal = (typeof SIGNALS)[number];

export interface AwaitedStopSignal {
  /** Resolves with the first one. */
  came: Promise<StopSignal>;
  /** Stops listening. */
  forget(): void;
}

/**
 * Listens for SIGINT, SIGTERM and SIGHUP; a second one ends the process at once. A process that handles
 * SIGHUP otherwise (to reload) has registered its own listener before. With `hungUp`, which is called then, a
 * SIGHUP that comes because the terminal has gone is none.
 */
export function awaitStopSignal(hungUp?: () => void): AwaitedStopSignal {
  let come: (signal: StopSignal) => void;
  const came = new Promise<StopSignal>((resolve) => (come = resolve));
  let stopping = false;
  const hangUp = hungUp && new HangUp();
  const signals = SIGNALS.filter((signal) => signal !== 'SIGHUP' || process.listenerCount('SIGHUP') === 0);
  const listener = (signal: StopSignal): void => {
    if (signal === 'SIGHUP' && hangUp?.came()) return hungUp?.();
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
