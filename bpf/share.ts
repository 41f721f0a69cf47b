import type { BpfMap, MapMemory } from './map.ts';
import { Connection, Fold, Knobs, MAX_REPEATS, Repeat, ShareKind } from './wire.ts';

/** Bytes; powers of two. */
export interface RingSizes {
  connections: number;
  denials: number;
}

export const DEFAULT_RINGS: RingSizes = { connections: 32 << 20, denials: 16 << 20 };

/** Part of the ring of connections from which on it is shared out. */
const CROWDED = 3 / 4;

/** Bytes: a process with its first connections. */
const SMALLEST_SHARE = 4096;

/**
 * What one user may use at once, in bytes (of cgroups: in number), and in how many seconds as much comes
 * again. Of the ring of denials this bounds what the record and the log grow by as well.
 */
function sharesOf({ connections, denials }: RingSizes): Record<keyof typeof ShareKind, [number, number]> {
  return {
    denials: [Math.max(denials / 8, SMALLEST_SHARE), 16],
    connections: [Math.max(connections / 16, SMALLEST_SHARE), 1],
    cgroups: [1024, 16],
  };
}

/** Equal connections that were folded. Times in nanoseconds since boot. */
export interface Folded {
  count: number;
  first: bigint;
  last: bigint;
}

/** What is read of the counts of the kernel side. */
export interface FoldVisitor {
  /** Connections beyond a share. The key is a struct connection at offset 0. */
  folded(key: Buffer, folded: Folded): void;
  /** Datagrams, a struct connection at `at` whose time is that of the first. Valid during the call. */
  repeated(records: MappedRecords, at: number, folded: Folded): void;
  /** How many kinds of repeated datagrams it takes now. The others are kept for the next time. */
  readonly room: number;
}

/** Memory of the kernel side in which records lie. */
export interface MappedRecords {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Uint32Array;
}

/** The host's namespaces by their numbers. */
export interface HostNamespaces {
  mount: number;
  network: number;
}

/** The knobs of wire.h. `second`: whether there is to be a second judge. */
export function knobBytes({ mount, network }: HostNamespaces, rings: RingSizes, second: boolean): Buffer {
  const knobs = Buffer.alloc(Knobs.size);
  const { offset } = Knobs;
  knobs.writeUInt32LE(mount, offset.host_mount_namespace);
  knobs.writeUInt32LE(network, offset.host_network_namespace);
  knobs.writeUInt32LE(second ? 1 : 0, offset.second_judge);
  knobs.writeBigUInt64LE(BigInt(Math.floor(rings.connections * CROWDED)), offset.crowded);
  const shares = sharesOf(rings);
  for (const [name, kind] of Object.entries(ShareKind)) {
    const [burst, seconds] = shares[name as keyof typeof ShareKind];
    const cost = Math.floor((seconds * 1e9) / burst);
    knobs.writeBigUInt64LE(BigInt(cost), offset.cost + 8 * kind);
    knobs.writeBigUInt64LE(BigInt(cost * burst), offset.burst + 8 * kind);
  }
  return knobs;
}

/** Reads and removes the folds of every epoch but this one, to which no hook adds any more. */
export function takeFoldsBefore(epoch: number, folds: BpfMap, visitor: FoldVisitor): void {
  for (const key of folds.keys()) {
    if (key.readUInt32LE(Connection.offset.time) === epoch) continue;
    const value = Buffer.from(folds.get(key) ?? Buffer.alloc(Fold.size));
    folds.delete(key);
    visitor.folded(key, {
      count: Number(value.readBigUInt64LE(Fold.offset.count)),
      first: value.readBigUInt64LE(Fold.offset.first),
      last: value.readBigUInt64LE(Fold.offset.last),
    });
  }
}

/** Slots that are given to the kernel side at first. It gets more when it has used half of them. */
const FIRST_SLOTS = 512;

const EPOCH = Repeat.offset.epoch >> 2;
/** Its lower half: more than that is not counted in a second. */
const COUNT = Repeat.offset.count >> 2;
const WORDS = Repeat.size >> 2;

/** Repeated datagrams that the kernel side counts: see repeat.bpf.h. */
export class Repeats implements Disposable {
  readonly #memory: MapMemory;
  readonly #free: BpfMap;
  readonly #records: MappedRecords;
  #given = 0;

  constructor(repeats: BpfMap, free: BpfMap) {
    this.#free = free;
    this.#memory = repeats.memory(MAX_REPEATS * Repeat.size);
    const { buffer } = this.#memory;
    this.#records = {
      bytes: new Uint8Array(buffer),
      view: new DataView(buffer),
      words: new Uint32Array(buffer),
    };
    this.#give(FIRST_SLOTS);
  }

  /** Whether there is anything to read, or so many slots are in use that the kernel side may soon want for some. */
  get due(): boolean {
    const { words } = this.#records;
    let used = 0;
    for (let slot = this.#next(0); slot < this.#given; slot = this.#next(slot + 1)) {
      used += 1;
      if (words[slot * WORDS + COUNT] !== 0 || used > FIRST_SLOTS / 2) return true;
    }
    return false;
  }

  /**
   * Reads and frees the slots of every epoch but this one, to which no hook adds any more, as many as there is room
   * for. Returns whether none is left.
   */
  takeBefore(epoch: number, visitor: FoldVisitor): boolean {
    const { view, words } = this.#records;
    let used = 0;
    let left = false;
    for (let slot = this.#next(0); slot < this.#given; slot = this.#next(slot + 1)) {
      used += 1;
      const at = slot * Repeat.size;
      if (words[slot * WORDS + EPOCH] === epoch) continue;
      const count = Number(view.getBigUint64(at + Repeat.offset.count, true));
      if (count > 0 && visitor.room <= 0) {
        left = true;
        continue;
      }
      const first = view.getBigUint64(at + Connection.offset.time, true);
      const latest = view.getBigUint64(at + Repeat.offset.last, true);
      /* CPUs may have taken each other's time. */
      const last = latest < first ? first : latest;
      if (count > 0) visitor.repeated(this.#records, at, { count, first, last });
      words[slot * WORDS + EPOCH] = 0;
      this.#push(slot);
    }
    if (used > this.#given / 2) this.#give(Math.min(2 * this.#given, MAX_REPEATS));
    return !left;
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }

  /** The first slot from there on that is in use. */
  #next(from: number): number {
    const { words } = this.#records;
    let slot = from;
    while (slot < this.#given && words[slot * WORDS + EPOCH] === 0) slot += 1;
    return slot;
  }

  #give(slots: number): void {
    for (; this.#given < slots; this.#given += 1) this.#push(this.#given);
  }

  #push(slot: number): void {
    const value = Buffer.alloc(4);
    value.writeUInt32LE(slot);
    this.#free.push(value);
  }
}
