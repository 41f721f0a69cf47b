import { compareAddresses, type Address } from '../policy/address.ts';
import { formatPrefix, prefixOf } from '../policy/cidr.ts';
import type { PortRange, To } from '../policy/policy.ts';
import { formatPortRange } from '../policy/port.ts';
import { mergePrefixes } from '../policy/prefix-set.ts';
import { hasPorts } from '../policy/protocol.ts';

/** One place that a subject connected to. */
export interface Destination {
  address: Address;
  /** Ignored for protocols that have no ports. */
  port: number;
  protocol: number;
}

/**
 * The entries of a rule's `to` that together allow exactly these destinations. Addresses that were reached on equal
 * ports share an entry, prefixes are merged without loss, and protocols with equal addresses and ports share one.
 * The result does not depend on the order of the destinations.
 */
export function coverDestinations(destinations: readonly Destination[]): To[] {
  const entries = new Map<string, To>();
  for (const [protocol, group] of sortedGroups(destinations, (each) => each.protocol)) {
    for (const to of coverProtocol(protocol, group)) {
      const key = `${to.ports?.map(formatPortRange).join()} ${to.prefixes!.map(formatPrefix).join()}`;
      const same = entries.get(key);
      if (same === undefined) entries.set(key, to);
      else same.protocols!.push(protocol);
    }
  }
  return [...entries.values()];
}

function coverProtocol(protocol: number, destinations: readonly Destination[]): To[] {
  const byPorts = new Map<string, { addresses: Address[]; ports: PortRange[] | undefined }>();
  for (const { address, ports } of portsByAddress(destinations)) {
    const ranges = hasPorts(protocol) ? portRanges(ports) : undefined;
    const key = ranges?.map(formatPortRange).join() ?? '';
    const group = byPorts.get(key);
    if (group === undefined) byPorts.set(key, { addresses: [address], ports: ranges });
    else group.addresses.push(address);
  }
  const groups = [...byPorts.values()].sort((a, b) => comparePorts(a.ports, b.ports));
  return groups.map(({ addresses, ports }) => {
    const prefixes = mergePrefixes(addresses.map(prefixOf));
    return ports === undefined
      ? { prefixes, protocols: [protocol] }
      : { prefixes, ports, protocols: [protocol] };
  });
}

/** Every address once, in order, with its ports, in order. */
function portsByAddress(destinations: readonly Destination[]): { address: Address; ports: number[] }[] {
  const sorted = [...destinations].sort((a, b) => compareAddresses(a.address, b.address) || a.port - b.port);
  const result: { address: Address; ports: number[] }[] = [];
  for (const { address, port } of sorted) {
    const last = result.at(-1);
    if (last === undefined || compareAddresses(last.address, address) !== 0)
      result.push({ address, ports: [port] });
    else if (last.ports.at(-1) !== port) last.ports.push(port);
  }
  return result;
}

/** Ranges of three ports and more where every port was seen; `ports` is sorted and without repeats. */
function portRanges(ports: readonly number[]): PortRange[] {
  const ranges: PortRange[] = [];
  for (let at = 0; at < ports.length;) {
    let end = at;
    while (ports[end + 1] === ports[end]! + 1) end++;
    if (end - at < 2) end = at;
    ranges.push({ first: ports[at]!, last: ports[end]! });
    at = end + 1;
  }
  return ranges;
}

function comparePorts(a: PortRange[] | undefined, b: PortRange[] | undefined): number {
  const left = a ?? [];
  const right = b ?? [];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const difference = left[index]!.first - right[index]!.first || left[index]!.last - right[index]!.last;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function sortedGroups<T>(items: readonly T[], keyOf: (item: T) => number): [number, T[]][] {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups].sort(([a], [b]) => a - b);
}
