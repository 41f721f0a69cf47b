import type { RecordedObservation } from '../../profiler/read/read.ts';

/** A set of hosts: bit i % 8 of byte i / 8 is the host in place i. Bytes at the end may be missing. */
export type HostSet = Readonly<Uint8Array>;

/** The hosts that showed any of some observations. */
export function hostsOf(observations: Iterable<Pick<RecordedObservation, 'hosts'>>): HostSet {
  let union: Uint8Array = new Uint8Array(0);
  for (const { hosts = union } of observations) {
    if (hosts.length > union.length) {
      const longer = new Uint8Array(hosts.length);
      longer.set(union);
      union = longer;
    }
    for (let at = 0; at < hosts.length; at++) union[at]! |= hosts[at]!;
  }
  return union;
}

export function countHosts(set: HostSet): number {
  let count = 0;
  for (let byte of set) for (; byte !== 0; byte &= byte - 1) count++;
  return count;
}

/** The places in a set, in order. */
export function placesIn(set: HostSet): number[] {
  return Array.from({ length: set.length * 8 }, (_, place) => place).filter((place) => holds(set, place));
}

function holds(set: HostSet, place: number): boolean {
  return (set[place >> 3]! & (1 << (place & 7))) !== 0;
}
