import type { Address } from '../../policy/value/address.ts';
import { Known } from '../event/columns.ts';
import { Aliases } from './alias.ts';
import type { Asker } from './answer.ts';
import type { NameAnswer, NamedAddress } from './message.ts';

/** Seconds after the end of its TTL for which an address is known by a name at all: programs keep addresses. */
const KEPT = 7 * 86_400;
/** Seconds after the end of the TTL from which on a name counts only where there is no younger one. */
const FRESH = 3600;
/** Addresses known at one time; the one that was told of least recently is forgotten. */
const ADDRESSES = 131_072;
/** Names of an address, and askers and cgroups of a name: the ones told of last. */
const NAMES = 32;
const ASKERS = 64;
/** Names that a connection is known by. */
const LISTED = 8;

/** By what a connection's destination is known. */
export interface NameMatch {
  /** The best one first. */
  names: readonly string[];
  /** How the best one is known: one of Known. */
  by: number;
  /** Seconds since boot: the end of its TTL. */
  end: number;
  /** Seconds since boot at which this may have changed without a new answer. */
  until: number;
}

/** That an address has a name, by an answer that counts for verdicts. */
export interface NameFact {
  networkNamespace: number;
  address: Address;
  name: string;
  /** Seconds since boot: the end of its TTL. */
  end: number;
}

interface NameOfAddress {
  /** Seconds since boot: the latest end of a TTL. */
  end: number;
  /** The same of answers that count for verdicts; 0: there was none. */
  trusted: number;
  askers: Recent<string>;
  cgroups: Recent<bigint>;
}

/** Which names addresses have, and who asked for them. What is known in one network namespace says nothing in another. */
export class KnownNames {
  /** Grows with each answer: what was found before may be different. */
  version = 0;
  readonly #addresses = new Map<string, Map<string, NameOfAddress>>();
  readonly #aliases = new Aliases();

  /**
   * `time`: seconds since boot; `trusted`: it counts for verdicts. Returns the names that its addresses have by it: the one
   * that was asked for, and those that led to this one.
   */
  learn(asker: Asker, answer: NameAnswer, time: number, trusted = true): string[] {
    const { addresses, chain, chainTtl = 0, question } = answer;
    const { networkNamespace } = asker;
    const names = [question];
    if (trusted) names.push(...this.#aliases.of(networkNamespace, question, time));
    for (const name of names) this.#learnName(asker, name, addresses, time, trusted);
    const target = chain.at(-1);
    if (trusted && addresses.length === 0 && target !== undefined)
      this.#aliases.add(networkNamespace, target, names, time, chainTtl);
    return names;
  }

  /** All that counts for verdicts. */
  *facts(): Generator<NameFact> {
    for (const [key, names] of this.#addresses) {
      for (const [name, { trusted }] of names) if (trusted > 0) yield { ...placeOf(key), name, end: trusted };
    }
  }

  /** What is known of an address when a process connects to it. `time`: seconds since boot. */
  find(asker: Asker, address: Address, time: number): NameMatch | undefined {
    const names = this.#addresses.get(keyOf(asker.networkNamespace, address));
    if (names === undefined) return undefined;
    const process = askerKey(asker);
    const live = [...names]
      .filter(([, { end }]) => end + KEPT >= time)
      .map(([name, each]) => ({ name, end: each.end, by: knownBy(each, process, asker.cgroup) }))
      .sort((a, b) => a.by - b.by || b.end - a.end);
    const fresh = live.filter(({ end }) => end + FRESH >= time);
    const [best] = fresh.length > 0 ? fresh : live;
    if (best === undefined) return undefined;
    // What nobody is believed stands in no list with what somebody is.
    const alike = fresh.filter(({ by }) => (by === Known.unbelieved) === (best.by === Known.unbelieved));
    const listed = fresh.length > 0 ? alike.slice(0, LISTED) : [best];
    const kept = fresh.length > 0 ? FRESH : KEPT;
    return {
      names: listed.map(({ name }) => name),
      by: best.by,
      end: best.end,
      until: Math.min(...listed.map(({ end }) => end)) + kept,
    };
  }

  /** Network namespaces that ended: others get their numbers. */
  forget(namespaces: ReadonlySet<number>): void {
    const beginnings = new Set([...namespaces].map(String));
    for (const key of this.#addresses.keys())
      if (beginnings.has(key.slice(0, key.indexOf('/')))) this.#addresses.delete(key);
    this.#aliases.forget(namespaces);
    this.version += 1;
  }

  #learnName(
    asker: Asker,
    name: string,
    addresses: readonly NamedAddress[],
    time: number,
    trusted: boolean,
  ): void {
    for (const address of addresses) {
      const names = this.#namesOf(keyOf(asker.networkNamespace, address));
      const known = names.get(name) ?? {
        end: 0,
        trusted: 0,
        askers: new Recent(),
        cgroups: new Recent(),
      };
      names.delete(name);
      if (names.size === NAMES) names.delete(names.keys().next().value!);
      names.set(name, known);
      known.end = Math.max(known.end, time + address.ttl);
      if (trusted) known.trusted = Math.max(known.trusted, time + address.ttl);
      known.askers.add(askerKey(asker));
      known.cgroups.add(asker.cgroup);
      this.version += 1;
    }
  }

  #namesOf(key: string): Map<string, NameOfAddress> {
    const names = this.#addresses.get(key) ?? new Map<string, NameOfAddress>();
    this.#addresses.delete(key);
    if (this.#addresses.size === ADDRESSES) this.#addresses.delete(this.#addresses.keys().next().value!);
    this.#addresses.set(key, names);
    return names;
  }
}

function keyOf(namespace: number, { family, value }: Address): string {
  return `${namespace}/${family}/${value.toString(16)}`;
}

function placeOf(key: string): Pick<NameFact, 'address' | 'networkNamespace'> {
  const [namespace, family, value] = key.split('/') as [string, string, string];
  return {
    networkNamespace: Number(namespace),
    address: { family: family === '4' ? 4 : 6, value: BigInt(`0x${value}`) },
  };
}

function knownBy({ askers, cgroups, trusted }: NameOfAddress, process: string, cgroup: bigint): number {
  if (trusted === 0) return Known.unbelieved;
  if (askers.has(process)) return Known.self;
  return cgroups.has(cgroup) ? Known.cgroup : Known.host;
}

function askerKey({ pid, started }: Asker): string {
  return `${pid}/${started}`;
}

/** The values added last. */
class Recent<T> {
  readonly #values = new Set<T>();

  add(value: T): void {
    this.#values.delete(value);
    if (this.#values.size === ASKERS) this.#values.delete(this.#values.keys().next().value!);
    this.#values.add(value);
  }

  has(value: T): boolean {
    return this.#values.has(value);
  }
}
