import { type Address, canonicalAddress, formatAddress } from '../../policy/value/address.ts';
import { formatProtocol, hasPorts } from '../../policy/value/protocol.ts';
import { destinationOf } from '../../policy/meaning/evaluate.ts';
import type { Observation } from '../../profiler/read/observation.ts';

/** What says where an observation went. */
export type Destined = Pick<Observation, 'family' | 'address' | 'port' | 'protocol' | 'socket' | 'name'>;

/** Where the connection really went: a mapped address is IPv4, the unspecified address is this host. */
export function destinationAddress(observation: Destined): Address {
  return destinationOf(canonicalAddress({ family: observation.family, value: observation.address }));
}

/** `192.0.2.1:443/tcp`, `[2001:db8::1]:53/udp`, `192.0.2.1/icmp`, `raw socket`. */
export function observedDestination(observation: Destined): string {
  if (observation.socket !== undefined) return `${observation.socket} socket`;
  const address = destinationAddress(observation);
  const protocol = formatProtocol(observation.protocol);
  const text = observation.name ?? formatAddress(address);
  if (!hasPorts(observation.protocol)) return `${text}/${protocol}`;
  if (observation.name !== undefined) return `${text}:${observation.port}/${protocol}`;
  return `${address.family === 4 ? text : `[${text}]`}:${observation.port}/${protocol}`;
}
