import { map, unmap, type Mapping } from './libbpf.ts';

const PAGE = 4096;
const BUSY = 0x8000_0000;
const DISCARDED = 0x4000_0000;
const HEADER = 8;
/**
 * Bytes of the second half of the data that are mapped: as much as a record that begins at the end of the
 * first can need. All of it would count, and does nothing but be counted, in the memory of this process.
 */
const OVERHANG = 1 << 16;
/** Records after which the producer learns that there is room again. */
const ADVANCE_EVERY = 512;

/**
 * One record: `offset` into the views of the ring, `length` bytes. The bytes are only valid during the call.
 */
export type Visitor = (offset: number, length: number) => void;

/**
 * The reading end of a BPF ring buffer, mapped once and walked with typed arrays (the layout is
 * kernel/bpf/ringbuf.c: a consumer page, a producer page, then the data twice, so that no record is split;
 * ours are below 64 KiB). libbpf's own callback costs 40 times as much through FFI, and an exception in it
 * loses the rest of the batch.
 */
export class Ring implements Disposable {
  readonly size: number;
  /** Views of the data for visitors; offsets go beyond `size` by less than the length of a record. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The same by words of 32 bits; records begin at multiples of 8. */
  readonly words: Uint32Array;
  readonly #consumer: Mapping;
  readonly #producer: Mapping;
  readonly #consumed: BigUint64Array;
  readonly #produced: BigUint64Array;
  readonly #headers: Int32Array;
  #position: number;

  constructor(fd: number, size: number) {
    this.size = size;
    this.#consumer = map(fd, PAGE, 0, true);
    const mapped = size + Math.min(size, OVERHANG);
    this.#producer = map(fd, PAGE + mapped, PAGE, false);
    this.#consumed = new BigUint64Array(this.#consumer.buffer, 0, 1);
    this.#produced = new BigUint64Array(this.#producer.buffer, 0, 1);
    this.#headers = new Int32Array(this.#producer.buffer, PAGE, mapped / 4);
    this.bytes = new Uint8Array(this.#producer.buffer, PAGE, mapped);
    this.view = new DataView(this.#producer.buffer, PAGE, mapped);
    this.words = new Uint32Array(this.#producer.buffer, PAGE, mapped / 4);
    this.#position = Number(this.#consumed[0]);
  }

  /** Bytes that wait to be read. */
  get pending(): number {
    return this.produced - this.#position;
  }

  /** The place behind the last record so far, for `drain`. */
  get produced(): number {
    return Number(Atomics.load(this.#produced, 0));
  }

  /**
   * Visits every record that is complete, oldest first, at most `limit`, as far as `end`. Returns how many were visited. If
   * the visitor throws, the record it was given counts as read and the rest stays for the next call.
   */
  drain(visit: Visitor, limit = Number.POSITIVE_INFINITY, end = this.produced): number {
    const mask = this.size - 1;
    let visited = 0;
    let position = this.#position;
    try {
      while (position < end && visited < limit) {
        // The size is a power of two, and bit operations take positions beyond 2^32 modulo 2^32.
        const offset = position & mask;
        const header = Atomics.load(this.#headers, offset >> 2);
        if (header & BUSY) break;
        const length = header & ~(BUSY | DISCARDED);
        position += (length + HEADER + 7) & ~7;
        if (header & DISCARDED) continue;
        visited += 1;
        visit(offset + HEADER, length);
        if (visited % ADVANCE_EVERY === 0) Atomics.store(this.#consumed, 0, BigInt(position));
      }
    } finally {
      this.#position = position;
      Atomics.store(this.#consumed, 0, BigInt(position));
    }
    return visited;
  }

  [Symbol.dispose](): void {
    unmap(this.#consumer);
    unmap(this.#producer);
  }
}
