import { readFileSync } from 'node:fs';

/** Nanoseconds of a tick of the clock that /proc counts in: USER_HZ is 100 for every program (proc(5)). */
export const TICK = 10_000_000n;

/** What /proc/PID/stat has of a process. */
export interface ProcessStat {
  command: string;
  /** It runs no more; its parent has not asked for its end yet. */
  ended: boolean;
  parentPid: number;
  /** The number of its controlling terminal; 0 without one. */
  terminal: number;
  /** Nanoseconds since boot, in whole ticks. */
  started: bigint;
}

/** Of the process with this directory in /proc; undefined when it is gone. */
export function readProcessStat(directory: string): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`${directory}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name may hold anything, parentheses too; numbers alone follow it.
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  return {
    command: text.slice(text.indexOf('(') + 1, end),
    ended: /[ZX]/.test(fields[0]!),
    parentPid: Number(fields[1]),
    terminal: Number(fields[4]),
    started: BigInt(fields[19]!) * TICK,
  };
}
