import { libbpf } from './libbpf.ts';

const CLOCK_BOOTTIME = 7;

/** Nanoseconds since boot, time asleep included: the clock of every time in wire.h. */
export function bootTime(): bigint {
  const time = Buffer.alloc(16);
  libbpf().clock_gettime(CLOCK_BOOTTIME, time);
  return time.readBigInt64LE(0) * 1_000_000_000n + time.readBigInt64LE(8);
}
