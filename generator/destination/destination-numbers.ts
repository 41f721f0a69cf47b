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
  /** Names, sockets and addresses of IPv6 by numbers of their own. */
  readonly #places = new Map<string | bigint, number>();
  readonly #pairs = new PairNumbers();

  of(observation: Observation): number {
    const { name, port, protocol, socket } = observation;
    const service = socket === undefined ? protocol * PORTS + (hasPorts(protocol) ? port : 0) : 0;
    const place = socket === undefined ? (name ?? addressOf(observation)) : `${socket} socket`;
    if (typeof place === 'number') return this.#pairs.of(place, service);
    let number = this.#places.get(place);
    if (number === undefined) this.#places.set(place, (number = this.#places.size));
    // No service of an address of IPv4 is below 0.
    return this.#pairs.of(number, -1 - service);
  }
}

/** Where it really went: of IPv4 a number. Nothing is looked up for nearly all addresses. */
function addressOf(observation: Observation): number | bigint {
  const { address, family } = observation;
  if (family === 4 && address !== 0n) return Number(address);
  const to = destinationAddress(observation);
  return to.family === 4 ? Number(to.value) : to.value;
}

/**
 * Numbers for pairs of whole numbers, from 0 in the order in which they come; the first ones have 32 bits. In a table of
 * its own: of a Map in a Map each destination has an object.
 */
class PairNumbers {
  #size = 0;
  /** For each place 1 more than the number of the pair there, 0 where there is none; at least half are empty. */
  #table = new Int32Array(16);
  #first = new Int32Array(8);
  #second = new Float64Array(8);

  of(first: number, second: number): number {
    const a = first | 0;
    const mask = this.#table.length - 1;
    let place = hashOf(a, second) & mask;
    for (let found = this.#table[place]!; found !== 0; found = this.#table[place]!) {
      if (this.#first[found - 1] === a && this.#second[found - 1] === second) return found - 1;
      place = (place + 1) & mask;
    }
    if (this.#size === this.#first.length) {
      this.#grow();
      return this.of(a, second);
    }
    this.#first[this.#size] = a;
    this.#second[this.#size] = second;
    this.#table[place] = ++this.#size;
    return this.#size - 1;
  }

  #grow(): void {
    const [first, second] = [this.#first, this.#second];
    this.#first = new Int32Array(2 * first.length);
    this.#second = new Float64Array(2 * first.length);
    this.#first.set(first);
    this.#second.set(second);
    this.#table = new Int32Array(2 * this.#table.length);
    const mask = this.#table.length - 1;
    for (let number = 0; number < first.length; number++) {
      let place = hashOf(first[number]!, second[number]!) & mask;
      while (this.#table[place] !== 0) place = (place + 1) & mask;
      this.#table[place] = number + 1;
    }
  }
}

function hashOf(a: number, b: number): number {
  const hash = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
  return hash ^ (hash >>> 15);
}
