import { readFileSync } from 'node:fs';

/** Nanoseconds of a tick of the clock that /proc counts in: USER_HZ is 100 for every program (proc(5)). */
export const TICK = 10_000_000n;

/** What /proc/PID/stat tells of a process. */
export interface ProcessStat {
  command: string;
  parentPid: number;
  /** Nanoseconds since boot, in whole ticks. */
  started: bigint;
}

/** Undefined when the process is gone. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name may hold anything, parentheses too; numbers alone follow it.
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  return {
    command: text.slice(text.indexOf('(') + 1, end),
    parentPid: Number(fields[1]),
    started: BigInt(fields[19]!) * TICK,
  };
}
