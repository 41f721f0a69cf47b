const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type StopSignal = (typeof SIGNALS)[number];

/**
 * Calls `stop` at the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. A process that handles
 * SIGHUP otherwise (to reload) has registered its own listener before. Returns how to stop listening.
 */
export function onStopSignal(stop: (signal: StopSignal) => void): () => void {
  let stopping = false;
  const signals = SIGNALS.filter((signal) => signal !== 'SIGHUP' || process.listenerCount('SIGHUP') === 0);
  const listener = (signal: StopSignal) => {
    if (stopping) process.exit(signal === 'SIGINT' ? 130 : 143);
    stopping = true;
    stop(signal);
  };
  const listeners = signals.map((signal) => [signal, () => listener(signal)] as const);
  for (const [signal, each] of listeners) process.on(signal, each);
  return () => {
    for (const [signal, each] of listeners) process.off(signal, each);
  };
}
