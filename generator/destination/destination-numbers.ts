import { hasPorts } from '../../policy/value/protocol.ts';
import type { Observation } from '../../profiler/read/observation.ts';
import { ByAddress } from './by-address.ts';

/** More than any port. */
const PORTS = 65_536;

/**
 * Numbers for destinations, from 0: equal ones where `observedDestination` reads the same. There are far more
 * observations than destinations, and a text for each of them costs ten times as much as its number.
 */
export class DestinationNumbers {
  /** By name, socket or address; then by port and protocol. */
  readonly #places = new Map<string | number | bigint, Map<number, number>>();
  readonly #byAddress = new ByAddress(({ family, value }) =>
    // Equal addresses of the two families are different keys.
    this.#servicesAt(family === 4 ? Number(value) : value),
  );
  #size = 0;

  of(observation: Observation): number {
    const { name, port, protocol, socket } = observation;
    const place = socket === undefined ? name : `${socket} socket`;
    const services = place === undefined ? this.#byAddress.of(observation) : this.#servicesAt(place);
    const service = socket === undefined ? protocol * PORTS + (hasPorts(protocol) ? port : 0) : 0;
    let number = services.get(service);
    if (number === undefined) services.set(service, (number = this.#size++));
    return number;
  }

  #servicesAt(place: string | number | bigint): Map<number, number> {
    let services = this.#places.get(place);
    if (services === undefined) this.#places.set(place, (services = new Map()));
    return services;
  }
}
