import { readFileSync } from 'node:fs';
import type { TestServer } from '../unit/fleet/fixture/postgres.ts';

/** Of a clock of the kernel, in a second. */
const TICKS = 100;

/** Seconds of CPU of a process, user and system. `ended`: with those of its children that have ended. */
export function cpuOf(pid: number, ended = false): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // utime, stime; then cutime, cstime.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, ended ? 15 : 13);
  return fields.reduce((sum, field) => sum + Number(field), 0) / TICKS;
}

/** The same of a server's processes, those that have ended included. */
export function cpuOfServer(server: TestServer): number {
  return server.processes().reduce((sum, pid, at) => sum + cpuOf(pid, at === 0), 0);
}
