import type { Ring } from '../../../bpf/ring.ts';
import {
  Answer,
  CgroupMade,
  Connection,
  NO_BOX,
  Process,
  RecordKind,
  type Layout,
} from '../../../bpf/wire.ts';

type Values = Record<string, number | bigint | string | readonly number[]>;

const ROOM = 1 << 16;

/** Stands in for a mapped ring: records that a test puts are drained once, oldest first, from one piece of memory. */
export class FakeRing {
  readonly bytes = new Uint8Array(ROOM).fill(0xaa);
  readonly view = new DataView(this.bytes.buffer);
  readonly words = new Uint32Array(this.bytes.buffer);
  readonly #waiting: { offset: number; length: number }[] = [];
  #end = 0;

  /** What a recorder uses of a Ring, and nothing else. */
  get ring(): Ring {
    return this as unknown as Ring;
  }

  /** Any number above 0 while something waits. */
  get pending(): number {
    return this.#waiting.length;
  }

  drain(visit: (offset: number, length: number) => void, limit = Number.POSITIVE_INFINITY): number {
    let visited = 0;
    while (visited < limit && this.#waiting.length > 0) {
      const { offset, length } = this.#waiting.shift()!;
      visit(offset, length);
      visited += 1;
    }
    return visited;
  }

  /** An allowed TCP connect of uid 1000 to 10.0.1.71:443, but for what is given. Returns its offset. */
  connection(values: Values = {}): number {
    return this.#put(Connection, {
      kind: RecordKind.connection,
      family: 4,
      address: [10, 0, 1, 71],
      uid: 1000,
      euid: 1000,
      fsuid: 1000,
      gid: 1000,
      egid: 1000,
      fsgid: 1000,
      pid: 4711,
      port: 443,
      protocol: 6,
      box: NO_BOX,
      comm: 'curl',
      process: 1n,
      ...values,
    });
  }

  /** A process of /usr/bin/curl in the root cgroup. */
  process(values: Values = {}): number {
    const kind = RecordKind.process;
    return this.#put(Process, { kind, key: 1n, pid: 4711, comm: 'curl', path: '/usr/bin/curl', ...values });
  }

  cgroup(values: Values): number {
    return this.#put(CgroupMade, { kind: RecordKind.cgroup, ...values });
  }

  /** A DNS message that pid 4711 has received. */
  answer(message: Buffer, values: Values = {}): number {
    const start = this.#put(
      { offset: Answer.offset, size: Answer.size + message.length },
      { kind: RecordKind.answer, family: 4, pid: 4711, length: message.length, ...values },
    );
    this.bytes.set(message, start + Answer.offset.message);
    this.#end = (this.#end + 7) & ~7;
    return start;
  }

  #put({ offset, size }: Layout<string>, values: Values): number {
    const start = this.#end;
    this.bytes.fill(0, start, start + size);
    const ends = [...Object.values(offset).slice(1), size];
    for (const [index, [name, at]] of Object.entries(offset).entries()) {
      const value = values[name];
      if (value !== undefined) this.#set(start + at, ends[index]! - at, value);
    }
    this.#waiting.push({ offset: start, length: size });
    // As in the kernel's ring, records begin at multiples of 8 behind a header of 8 bytes.
    this.#end = start + size + 8;
    return start;
  }

  #set(at: number, width: number, value: Values[string]): void {
    if (typeof value === 'string') this.bytes.set(Buffer.from(value).subarray(0, width), at);
    else if (typeof value === 'object') this.bytes.set(value, at);
    else if (width === 1) this.view.setUint8(at, Number(value));
    else if (width === 2) this.view.setUint16(at, Number(value), true);
    else if (width === 4) this.view.setUint32(at, Number(value), true);
    else this.view.setBigUint64(at, BigInt(value), true);
  }
}
