import { namespaceOf } from '../namespace.ts';
import { processes } from './socket-holder.ts';

/** Network namespaces that are looked at; of a host with more, the rest is counted. */
const MOST = 256;

/** A network namespace in which processes run. */
export interface Network {
  /** A process in there. */
  pid: number;
  /** Its inode number. */
  namespace: number;
  /** It is the one of this process. */
  own: boolean;
}

/** The network namespaces of the processes that can be seen, our own first, and how many more there are. */
export function findNetworks(): { networks: Network[]; more: number } {
  const own = namespaceOf('self', 'net');
  const found = new Map<number, Network>([[own, { pid: process.pid, namespace: own, own: true }]]);
  for (const name of processes()) {
    const pid = Number(name);
    const namespace = networkOf(pid);
    if (namespace !== undefined && !found.has(namespace))
      found.set(namespace, { pid, namespace, own: false });
  }
  const all = [...found.values()];
  return { networks: all.slice(0, MOST), more: Math.max(0, all.length - MOST) };
}

/** Undefined when the process is gone, or not ours to see. */
function networkOf(pid: number): number | undefined {
  try {
    return namespaceOf(pid, 'net');
  } catch {
    return undefined;
  }
}
