import { hasPorts } from '../../policy/value/protocol.ts';
import type { Observation } from '../../profiler/read/observation.ts';
import { destinationAddress } from './destination.ts';

/** More than any port. */
const PORTS = 65_536;

/**
 * Numbers for destinations, from 0: equal ones where `observedDestination` reads the same. There are far more
 * observations than destinations, and a text for each of them costs ten times as much as its number.
 */
export class DestinationNumbers {
  /** By name, socket or address; then by port and protocol. */
  readonly #places = new Map<string | number | bigint, Map<number, number>>();
  #size = 0;

  of(observation: Observation): number {
    const { port, protocol, socket } = observation;
    const place = placeOf(observation);
    let services = this.#places.get(place);
    if (services === undefined) this.#places.set(place, (services = new Map()));
    const service = socket === undefined ? protocol * PORTS + (hasPorts(protocol) ? port : 0) : 0;
    let number = services.get(service);
    if (number === undefined) services.set(service, (number = this.#size++));
    return number;
  }
}

/** Of an address of IPv4 a number, of one of IPv6 a BigInt: equal ones of the two are different keys. */
function placeOf(observation: Observation): string | number | bigint {
  const { name, socket } = observation;
  if (socket !== undefined) return `${socket} socket`;
  if (name !== undefined) return name;
  const { family, value } = destinationAddress(observation);
  return family === 4 ? Number(value) : value;
}
