import { check, libbpf, map as mapMemory, mapCalls, unmap, type Mapping } from './libbpf.ts';

const BPF_NOEXIST = 1;
const EEXIST = 17;
const ENOENT = 2;
/** Entries read at a time: many more than can fall on one bucket of a hash. */
const BATCH = 4096;

/** A BPF map by its descriptor. Keys and values are bytes in the layout of wire.h. */
export class BpfMap {
  readonly name: string;
  readonly fd: number;
  readonly keySize: number;
  readonly valueSize: number;
  #withoutBatches = false;

  constructor(name: string, fd: number, keySize: number, valueSize: number) {
    this.name = name;
    this.fd = fd;
    this.keySize = keySize;
    this.valueSize = valueSize;
  }

  /**
   * The value, or undefined when the key is absent. A per-CPU map gives the values of all CPUs, one after
   * another.
   */
  get(key: Uint8Array, size: number = this.valueSize): Uint8Array | undefined {
    const value = Buffer.alloc(size);
    return libbpf().bpf_map_lookup_elem(this.fd, key, value) === 0 ? value : undefined;
  }

  /** Of a per-CPU array of 64-bit counters: each of the first `count`, summed over the CPUs. */
  sums(count: number): number[] {
    const size = 8 * libbpf().libbpf_num_possible_cpus();
    const values = this.#atOnce(count, size) ?? this.#oneByOne(count, size);
    return Array.from({ length: count }, (_, counter) => {
      let sum = 0;
      for (let at = counter * size; at < (counter + 1) * size; at += 8)
        sum += Number(values.readBigUInt64LE(at));
      return sum;
    });
  }

  /** The first `count` values of an array, in one call; undefined before Linux 5.13, which has none for each CPU's. */
  #atOnce(count: number, size: number): Buffer | undefined {
    if (this.#withoutBatches) return undefined;
    const values = Buffer.alloc(count * size);
    const found = Uint32Array.of(count);
    const [next, keys] = [Buffer.alloc(8), Buffer.alloc(4 * count)];
    const result = mapCalls().bpf_map_lookup_batch(this.fd, null, next, keys, values, found, null);
    if ((result === 0 || Math.abs(result) === ENOENT) && found[0] === count) return values;
    this.#withoutBatches = true;
    return undefined;
  }

  #oneByOne(count: number, size: number): Buffer {
    const all = Array.from({ length: count }, (_, counter) => {
      const key = Buffer.alloc(4);
      key.writeUInt32LE(counter);
      return this.get(key, size) ?? Buffer.alloc(size);
    });
    return Buffer.concat(all);
  }

  set(key: Uint8Array, value: Uint8Array): void {
    check(`update of ${this.name}`, libbpf().bpf_map_update_elem(this.fd, key, value, 0));
  }

  /** Sets the value unless the key is there already. */
  add(key: Uint8Array, value: Uint8Array): void {
    const result = libbpf().bpf_map_update_elem(this.fd, key, value, BPF_NOEXIST);
    if (result < 0 && Math.abs(result) !== EEXIST) check(`update of ${this.name}`, result);
  }

  /** Of a queue: puts one more value at its end. */
  push(value: Uint8Array): void {
    check(`update of ${this.name}`, libbpf().bpf_map_update_elem(this.fd, null, value, 0));
  }

  /** Returns whether the key was there. */
  delete(key: Uint8Array): boolean {
    return libbpf().bpf_map_delete_elem(this.fd, key) === 0;
  }

  /** Whether it has no key. */
  get empty(): boolean {
    return libbpf().bpf_map_get_next_key(this.fd, null, Buffer.alloc(this.keySize)) !== 0;
  }

  /** All keys and values of a hash, as of now, some thousand at a time. */
  *batches(): Generator<{ keys: Buffer; values: Buffer; count: number }> {
    const keys = Buffer.alloc(BATCH * this.keySize);
    const values = Buffer.alloc(BATCH * this.valueSize);
    const count = new Uint32Array(1);
    let from: Buffer | null = null;
    for (;;) {
      const next: Buffer = Buffer.alloc(Math.max(this.keySize, 8));
      count[0] = BATCH;
      const result = mapCalls().bpf_map_lookup_batch(this.fd, from, next, keys, values, count, null);
      // What it found last comes together with the word that there is no more.
      if (result < 0 && Math.abs(result) !== ENOENT) check(`reading ${this.name}`, result);
      yield { keys, values, count: count[0]! };
      if (result < 0) return;
      from = next;
    }
  }

  /** All keys, as of now. */
  keys(): Buffer[] {
    const found: Buffer[] = [];
    let previous: Buffer | null = null;
    for (;;) {
      const next: Buffer = Buffer.alloc(this.keySize);
      if (libbpf().bpf_map_get_next_key(this.fd, previous, next) !== 0) return found;
      found.push(next);
      previous = next;
    }
  }

  /** The memory of an array that was made with BPF_F_MMAPABLE: a write is seen by the kernel at once. */
  memory(length: number): MapMemory {
    return new MapMemory(mapMemory(this.fd, length, 0, true));
  }
}

/** A mapped array. `buffer` is valid until it is disposed of. */
export class MapMemory implements Disposable {
  readonly buffer: ArrayBuffer;
  readonly #mapping: Mapping;

  constructor(mapping: Mapping) {
    this.#mapping = mapping;
    this.buffer = mapping.buffer;
  }

  [Symbol.dispose](): void {
    unmap(this.#mapping);
  }
}
