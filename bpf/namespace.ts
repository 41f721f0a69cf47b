import { readlinkSync } from 'node:fs';

/** Number of a namespace of a process, as /proc shows it: `mnt:[4026531841]` is 4026531841. */
export function namespaceOf(pid: number | 'self', kind: 'mnt' | 'pid' | 'net'): number {
  const link = readlinkSync(`/proc/${pid}/ns/${kind}`);
  return Number(/\[(\d+)\]/.exec(link)?.[1]);
}
