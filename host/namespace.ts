import { readlinkSync } from 'node:fs';
import { BouhekiError } from '../error/error.ts';

/**
 * Number of a namespace of a process, as /proc shows it: `mnt:[4026531841]` is 4026531841. Throws what the
 * system says when the process is gone or not ours to see.
 */
export function namespaceOf(pid: number | 'self', kind: 'mnt' | 'pid' | 'net' | 'user'): number {
  const link = readlinkSync(`/proc/${pid}/ns/${kind}`);
  return Number(/\[(\d+)\]/.exec(link)?.[1]);
}

/** A namespace of the host, or our own where it can't be seen: one cgroup may be all that we are given. */
export function visibleNamespace(kind: 'mnt' | 'net'): number {
  try {
    return namespaceOf(1, kind);
  } catch {
    return namespaceOf('self', kind);
  }
}

/** The host's mount namespace. Throws a BouhekiError when it can't be seen. */
export function hostMountNamespace(): number {
  try {
    return namespaceOf(1, 'mnt');
  } catch (error) {
    throw new BouhekiError('privilege', "cannot see which mount namespace is the host's (/proc/1/ns/mnt)", {
      remedy: 'run it as root of the host itself, with CAP_SYS_PTRACE, not in a container',
      cause: error,
    });
  }
}
