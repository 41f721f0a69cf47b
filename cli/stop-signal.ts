const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Calls `stop` at the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. A process that handles
 * SIGHUP otherwise (to reload) has registered its own listener before. Returns how to stop listening.
 */
export function onStopSignal(stop: () => void): () => void {
  let stopping = false;
  const signals = SIGNALS.filter((signal) => signal !== 'SIGHUP' || process.listenerCount('SIGHUP') === 0);
  const listener = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(signal === 'SIGINT' ? 130 : 143);
    stopping = true;
    stop();
  };
  for (const signal of signals) process.on(signal, listener);
  return () => {
    for (const signal of signals) process.off(signal, listener);
  };
}
