import { join } from 'node:path';
import type { Egress } from '../../../bpf/egress.ts';
import type { MapMemory } from '../../../bpf/map.ts';
import { BpfObject } from '../../../bpf/object.ts';
import { DEFAULT_RINGS, knobBytes } from '../../../bpf/share.ts';
import {
  Control,
  ExpectedCgroup,
  SubjectKey,
  Tables,
  Tables6,
  Tables6Low,
  Vector,
} from '../../../bpf/wire.ts';

const OBJECT = join(import.meta.dirname, '../../../bpf/egress-fmod-legacy.bpf.o');
const SMALLEST_RING = 4096;
const PROGRAMS = ['create', 'connect4', 'connect6', 'sendmsg4', 'sendmsg6', 'packet'].map(
  (name) => `second_${name}`,
);

/** The second judge alone, as if the kernel had left out the first each time: for one cgroup, and no other program. */
export class SecondProgram implements Disposable {
  readonly #object: BpfObject;
  readonly #memories: MapMemory[] = [];
  readonly egress: Egress;

  constructor(cgroup: string, others: readonly string[]) {
    const object = (this.#object = BpfObject.open(OBJECT));
    for (const program of others)
      if (object.has(program) && !PROGRAMS.includes(program)) object.leaveOut(program);
    object.setInitialValue('.rodata.knobs', knobBytes({ mount: 0, network: 0 }, DEFAULT_RINGS, true));
    for (const ring of ['connections', 'denials']) object.resize(ring, SMALLEST_RING);
    object.load();
    this.egress = this.#egress();
    for (const program of PROGRAMS) object.attachToCgroup(program, cgroup);
  }

  [Symbol.dispose](): void {
    for (const memory of this.#memories) memory[Symbol.dispose]();
    this.#object[Symbol.dispose]();
  }

  #memory(name: string, size: number): ArrayBuffer {
    const memory = this.#object.map(name, 4, size).memory(name.startsWith('.') ? size : 2 * size);
    this.#memories.push(memory);
    return memory.buffer;
  }

  /** What `applyPolicy` uses of an Egress, and nothing else. */
  #egress(): Egress {
    const tables = this.#memory('policy', Tables.size);
    const tables6 = this.#memory('policy6', Tables6.size);
    const tables6Low = this.#memory('policy6_low', Tables6Low.size);
    const control = new DataView(this.#memory('.data.control', Control.size));
    let generation = 0n;
    const setEnds = (side: number, ended: number, next: bigint): void => {
      control.setUint32(Control.offset.ended + 4 * side, ended, true);
      control.setBigUint64(Control.offset.next_end + 8 * side, next, true);
    };
    return {
      get inactiveSide() {
        return generation & 1n ? 0 : 1;
      },
      tables: (side: 0 | 1) => ({
        tables: new DataView(tables, side * Tables.size, Tables.size),
        tables6: new DataView(tables6, side * Tables6.size, Tables6.size),
        tables6Low: new DataView(tables6Low, side * Tables6Low.size, Tables6Low.size),
      }),
      subjects: this.#object.map('subjects', SubjectKey.size, Vector.size),
      userCgroups: this.#object.map('user_cgroups', SubjectKey.size, Vector.size),
      expectedCgroups: this.#object.map('expected_cgroups', ExpectedCgroup.size, Vector.size),
      setUnlisted: () => {},
      setEnds,
      flip: (flags: number, denyBoxes = 0, _confirmBy?: bigint, ends = 0) => {
        generation += 1n;
        const side = Number(generation & 1n);
        if (ends === 0) setEnds(side, 0, 0n);
        control.setUint32(Control.offset.flags + 4 * side, flags, true);
        control.setUint32(Control.offset.deny_boxes + 4 * side, denyBoxes, true);
        control.setUint32(Control.offset.generation + 4 * Number(generation & 1n), Number(generation), true);
        control.setBigUint64(Control.offset.version, generation, true);
        return generation;
      },
    } as unknown as Egress;
  }
}
