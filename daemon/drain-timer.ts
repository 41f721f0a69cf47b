import type { Ring } from '../bpf/ring.ts';
import type { EventSource } from '../profiler/record/recorder.ts';

/**
 * Milliseconds between two looks at rings that fill fast, and at others: 32 MiB hold 200 ms of 1,500,000
 * connections a second.
 */
const BUSY = 20;
const QUIET = 50;
/** Share of itself that a quiet ring fills at most between two looks. */
const LITTLE = 1 / 128;

/** Calls `drain` again and again, more often while the rings fill fast. Returns how to stop it. */
export function keepDraining({ connections, denials }: EventSource, drain: () => void): () => void {
  let timer: NodeJS.Timeout;
  const look = (): void => {
    timer = setTimeout(look, fills(connections) || fills(denials) ? BUSY : QUIET);
    drain();
  };
  timer = setTimeout(look, BUSY);
  return () => clearTimeout(timer);
}

function fills({ pending, size }: Ring): boolean {
  return pending > size * LITTLE;
}
