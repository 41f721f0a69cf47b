import { libbpf } from './libbpf.ts';

const CLOCK_BOOTTIME = 7;

/** Two clocks of a host at one moment. */
export interface Clock {
  /** As of `bootTime`. */
  now: bigint;
  /** Microseconds since the epoch, by the clock of the host as it is set now, at which `bootTime` was 0. */
  boot: number;
}

/** The clocks of this host, to a millisecond. */
export function hostClock(): Clock {
  const now = bootTime();
  return { now, boot: Date.now() * 1000 - Number(now / 1000n) };
}

/** Nanoseconds since boot, time asleep included: the clock of every time in wire.h. */
export function bootTime(): bigint {
  const time = Buffer.alloc(16);
  libbpf().clock_gettime(CLOCK_BOOTTIME, time);
  return time.readBigInt64LE(0) * 1_000_000_000n + time.readBigInt64LE(8);
}
