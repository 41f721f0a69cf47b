import { GracePeriod } from '../../bpf/grace-period.ts';
import { SystemError } from '../../bpf/libbpf.ts';
import type { Names } from '../../bpf/name/names.ts';
import {
  ESTABLISHED_SECONDS,
  KNOWN_OF_CLASS,
  KNOWN_OF_SIDE,
  KnownAddress,
  KnownKey,
  MAX_NAME_CLASSES,
  NAME_SLOTS,
} from '../../bpf/wire.ts';
import type { Address } from '../../policy/value/address.ts';
import { knownKey, knownValue, type NameSlot, patternKey, slotsOf } from './known-address.ts';
import { nameClass, type NameTables } from './name-table.ts';

/** That an address is known by a name, because a resolver said so whose answers count. */
export interface NameFact {
  networkNamespace: number;
  address: Address;
  name: string;
  /** End of its TTL, seconds since boot. */
  end: number;
}

/** Where the answers come from. */
export interface NameFacts {
  /** Takes up the answers so far, and reports each to `learnt`. */
  drain(): void;
  /** Is told each fact when it is taken up. */
  learnt: ((fact: NameFact) => void) | undefined;
  /** What is known so far. */
  facts(): Iterable<NameFact>;
  /** Of these network namespaces nothing is known any more. */
  forget(namespaces: ReadonlySet<number>): void;
}

/** A time that is over all times of the kernel side, which has 32 bits for it. */
const FOREVER = 0xffff_ffff;
/** From so many addresses on those that no new connection needs are forgotten first. */
const CROWDED = (KNOWN_OF_SIDE * 3) / 4;

/** Keeps what the kernel side knows of names true to the policy in force, and to the answers. */
export class NameVerdicts implements Disposable {
  readonly #names: Names;
  readonly #facts: NameFacts;
  readonly #now: () => number;
  readonly #programs = new GracePeriod();
  /** By side: what is in force there, or is about to be. */
  readonly #tables: (NameTables | undefined)[] = [undefined, undefined];
  readonly #known: Uint32Array;
  readonly #knownOfClass: Uint32Array;
  readonly #sides: Uint32Array;
  readonly #keep: Uint32Array;
  readonly #host: number;

  /** `now`: seconds since boot. */
  constructor(names: Names, facts: NameFacts, now: () => number) {
    this.#names = names;
    this.#facts = facts;
    this.#now = now;
    this.#sides = names.numbers('sides', 2);
    this.#keep = names.numbers('keep', 2);
    this.#host = names.numbers('host_namespace', 1)[0]!;
    this.#known = names.numbers('known', 2);
    this.#knownOfClass = names.numbers('known_of_class', 2 * MAX_NAME_CLASSES);
    facts.learnt = (fact) => this.#learn(fact);
  }

  /** Addresses that are known by names of the policy in force, patterns that it has, and how many addresses fit. */
  get status(): { known: number; patterns: number; room: number } {
    const side = this.#tables.findIndex((tables, at) => tables !== undefined && this.#sides[at] === 1);
    if (side < 0) return { known: 0, patterns: 0, room: KNOWN_OF_SIDE };
    return { known: this.#known[side]!, patterns: this.#tables[side]!.patterns.size, room: KNOWN_OF_SIDE };
  }

  /**
   * Fills a side that no verdict looks at, from all answers so far. From here on answers reach it too: nothing that is
   * known is lost when it comes into force. Throws SystemError when there is no room for the patterns.
   */
  prepare(side: 0 | 1, tables: NameTables): void {
    this.leave(side);
    if (tables.patterns.size === 0) return;
    this.#tables[side] = tables;
    for (const [pattern, found] of tables.patterns) {
      const value = Buffer.alloc(4);
      value.writeUInt32LE(found);
      this.#names.patterns.set(patternKey(pattern, side), value);
    }
    this.#keep[side] = Math.min(tables.keeps.at(-1)!, FOREVER);
    Atomics.store(this.#sides, side, 1);
    // What was answered before the last line is reported by now, and what comes after it goes to both sides.
    this.#facts.drain();
    for (const fact of this.#facts.facts()) this.#put(side, tables, fact);
    this.#facts.drain();
  }

  /** Drops packets of whoever speaks as a resolver of this host, or counts them only. */
  set block(block: boolean) {
    Atomics.store(this.#names.numbers('block', 1), 0, block ? 1 : 0);
  }

  /** Forgets what is known on a side that no verdict looks at. */
  leave(side: 0 | 1): void {
    const before = this.#tables[side];
    if (before === undefined) return;
    this.#tables[side] = undefined;
    Atomics.store(this.#sides, side, 0);
    // A program that saw the side in use may still write there.
    this.#programs.wait();
    for (const pattern of before.patterns.keys()) this.#names.patterns.delete(patternKey(pattern, side));
    this.#remove(({ side: place }) => place === side);
    this.#known[side] = 0;
    this.#knownOfClass.fill(0, side * MAX_NAME_CLASSES, (side + 1) * MAX_NAME_CLASSES);
  }

  /** Forgets addresses whose names are known no more. */
  sweep(): void {
    const now = this.#now();
    this.#remove(({ side, slots }) => {
      const spared = this.#known[side]! >= CROWDED ? 0 : ESTABLISHED_SECONDS;
      return slots.every((slot) => this.#keptUntil(side, slot) + spared < now);
    });
  }

  /**
   * Forgets all that is known in network namespaces that ended, in whose resolvers nobody believes any more. When this
   * returns, another namespace can have their numbers.
   */
  forget(namespaces: ReadonlySet<number>): void {
    // A program that saw one of these resolvers listed may still write, and report an answer.
    this.#programs.wait();
    this.#facts.drain();
    this.#facts.forget(namespaces);
    if (this.#known.every((known) => known === 0)) return;
    this.#remove(({ namespace }) => namespaces.has(namespace));
  }

  [Symbol.dispose](): void {
    this.#facts.learnt = undefined;
    this.#programs[Symbol.dispose]();
  }

  #learn(fact: NameFact): void {
    for (const side of [0, 1] as const) {
      const tables = this.#tables[side];
      if (tables !== undefined && this.#sides[side] === 1) this.#put(side, tables, fact);
    }
  }

  /** Until when a new connection may go by it, in seconds since boot: no rule that it opens keeps names for longer. */
  #keptUntil(side: number, { class: opened, end }: NameSlot): number {
    return end + (this.#tables[side]?.longest[opened] ?? this.#keep[side]!);
  }

  /** As the kernel side does it, which was faster as a rule: then there is nothing to write. */
  #put(side: 0 | 1, tables: NameTables, { address, end, name, networkNamespace }: NameFact): void {
    const found = nameClass(tables, name);
    const now = Math.floor(this.#now());
    const slot: NameSlot = { class: found, end: Math.floor(end) };
    if (found === 0 || this.#keptUntil(side, slot) + ESTABLISHED_SECONDS < now) return;
    const namespace = networkNamespace === this.#host ? 0 : networkNamespace;
    const key = knownKey({ address, namespace, side });
    const bytes = this.#names.known.get(key);
    if (bytes === undefined) {
      this.#add(side, key, slot);
      return;
    }
    const value = Buffer.from(bytes);
    const slots = slotsOf(value);
    const same = slots.find((each) => each.class === found);
    if (same !== undefined) {
      if (same.end >= slot.end) return;
      same.end = slot.end;
    } else if (slots.length < NAME_SLOTS) {
      slots.push(slot);
    } else {
      const first = slots.reduce((least, each) => (each.end < least.end ? each : least));
      if (this.#keptUntil(side, first) >= now) return;
      Object.assign(first, slot);
    }
    this.#write(key, knownValue(slots, value.readUInt32LE(KnownAddress.offset.class)));
  }

  /** Returns whether there was memory. Where there is none it is as where there is no room. */
  #write(key: Buffer, value: Buffer): boolean {
    try {
      this.#names.known.set(key, value);
      return true;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return false;
    }
  }

  #add(side: 0 | 1, key: Buffer, slot: NameSlot): void {
    const share = side * MAX_NAME_CLASSES + slot.class;
    if (this.#known[side]! >= KNOWN_OF_SIDE || this.#knownOfClass[share]! >= KNOWN_OF_CLASS) return;
    if (!this.#write(key, knownValue([slot], slot.class))) return;
    Atomics.add(this.#known, side, 1);
    Atomics.add(this.#knownOfClass, share, 1);
  }

  #remove(isGone: (entry: { side: number; namespace: number; slots: NameSlot[] }) => boolean): void {
    const { known } = this.#names;
    const gone: { key: Buffer; share: number; side: number }[] = [];
    for (const { count, keys, values } of known.batches()) {
      for (let at = 0; at < count; at += 1) {
        const key = keys.subarray(at * KnownKey.size, (at + 1) * KnownKey.size);
        const side = key.readUInt32LE(KnownKey.offset.side);
        const namespace = key.readUInt32LE(KnownKey.offset.network_namespace);
        if (!isGone({ side, namespace, slots: slotsOf(values, at * KnownAddress.size) })) continue;
        const share = values.readUInt32LE(at * KnownAddress.size + KnownAddress.offset.class);
        gone.push({ key: Buffer.from(key), share, side });
      }
    }
    for (const { key, share, side } of gone) {
      if (!known.delete(key)) continue;
      Atomics.sub(this.#known, side, 1);
      Atomics.sub(this.#knownOfClass, side * MAX_NAME_CLASSES + share, 1);
    }
  }
}
