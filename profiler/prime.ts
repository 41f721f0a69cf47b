import { readdirSync, readlinkSync } from 'node:fs';
import type { Egress } from '../bpf/egress.ts';
import { identifyExecutable } from '../bpf/executable.ts';
import { hostMountNamespace, namespaceOf } from '../bpf/namespace.ts';
import { ProcessFlag } from '../bpf/wire.ts';

const DELETED = ' (deleted)';

/**
 * Tells the kernel side what the processes run that were there before it. Call it after the hooks are attached: what
 * is executed from then on is seen by them. Returns the number of processes.
 */
export function primeIdentities(egress: Egress): number {
  if (!egress.canPrime) return 0;
  const host = hostMountNamespace();
  let primed = 0;
  for (const entry of readdirSync('/proc')) {
    if (/^\d+$/.test(entry) && primeProcess(egress, Number(entry), host)) primed += 1;
  }
  return primed;
}

/** False for kernel threads, which have no executable, and for what is gone meanwhile. */
function primeProcess(egress: Egress, pid: number, hostMounts: number): boolean {
  try {
    const executable = identifyExecutable(`/proc/${pid}/exe`, pid);
    if (!executable) return false;
    const path = readlinkSync(`/proc/${pid}/exe`);
    let flags = 0;
    if (path.endsWith(DELETED)) flags |= ProcessFlag.deleted;
    if (path.startsWith('/memfd:')) flags |= ProcessFlag.memfd;
    if (namespaceOf(pid, 'mnt') !== hostMounts) {
      flags |= ProcessFlag.foreignMount;
      if (namespaceOf(pid, 'user') !== namespaceOf(1, 'user')) flags |= ProcessFlag.foreignUsers;
    }
    return egress.prime(pid, { ...executable, path }, flags);
  } catch {
    return false;
  }
}
