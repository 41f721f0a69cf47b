import { readlinkSync } from 'node:fs';
import { ANCESTORS } from '../../bpf/wire.ts';
import type { AncestorRecord } from '../event/decode.ts';
import { readProcessStat, TICK } from '../../host/process-stat.ts';

/** The ancestors of a process that runs, as /proc shows them now, the nearest first. */
export function findAncestors(pid: number): AncestorRecord[] {
  const found: AncestorRecord[] = [];
  let next = readProcessStat(`/proc/${pid}`)?.parentPid ?? 0;
  while (next !== 0 && found.length < ANCESTORS) {
    const stat = readProcessStat(`/proc/${next}`);
    if (!stat) break;
    const { command, parentPid, started } = stat;
    found.push({ pid: next, started, command, path: linkOf(next), primed: true });
    next = parentPid;
  }
  return found;
}

/**
 * The ancestor with the path of its executable, if it still runs and the kernel side had no room for the
 * path.
 */
export function withExecutable(ancestor: AncestorRecord): AncestorRecord {
  if (ancestor.path !== '') return ancestor;
  const path = linkOf(ancestor.pid);
  return isStill(ancestor) ? { ...ancestor, path } : ancestor;
}

/** The path of what a process executes, if it still runs. */
export function readExecutable(pid: number, started: bigint): string | undefined {
  const path = linkOf(pid);
  return path !== '' && isStill({ pid, started }) ? path : undefined;
}

/**
 * Whether the number of a process is not another's by now. Asked afterwards: another process of that number
 * can't have been there before.
 */
function isStill({ command, pid, started }: { command?: string; pid: number; started: bigint }): boolean {
  const stat = readProcessStat(`/proc/${pid}`);
  return stat?.started === started - (started % TICK) && (command ?? stat.command) === stat.command;
}

/** Empty for a kernel thread, and for what is gone. */
function linkOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return '';
  }
}

const BETWEEN = ' < ';

/** `bash < sshd < systemd`. Processes choose their names: none can pose as two. */
export function ancestorText(ancestors: readonly { command: string }[]): string {
  return ancestors.map(({ command }) => command.replaceAll('<', '\\x3c')).join(BETWEEN);
}

/** The names out of what `ancestorText` gives. */
export function ancestorNames(text: string): string[] {
  return text.split(BETWEEN).map((name) => name.replaceAll('\\x3c', '<'));
}
