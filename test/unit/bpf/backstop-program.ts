import { mkdtempSync, openSync, closeSync, ftruncateSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Egress } from '../../../bpf/egress.ts';
import { check, checkPointer, libbpf, map, type Mapping, type Pointer, unmap } from '../../../bpf/libbpf.ts';
import { CGROUP_FOLLOWERS, CGROUP_HOOKS } from '../../../bpf/probe.ts';
import { Control, Tables, Tables6, Tables6Low } from '../../../bpf/wire.ts';

const OBJECT = join(import.meta.dirname, '../../../bpf/egress-cgroup.bpf.o');
const SMALLEST_RING = 4096;
const PAGE = 4096;

/** struct bpf_test_run_opts of libbpf. */
const OPTIONS = { size: 80, dataIn: 8, dataSizeIn: 24, returned: 56, repeat: 60 } as const;

/** A program at cgroup_skb/egress, loaded and attached nowhere: the kernel runs it on packets that are made up. */
export class BackstopProgram implements Disposable {
  readonly #object: Pointer;
  readonly #program: number;
  readonly #mappings: Mapping[] = [];
  readonly #policy: ArrayBuffer;
  readonly #policy6: ArrayBuffer;
  readonly #policy6Low: ArrayBuffer;
  readonly #control: DataView;
  /** Memory with an address: what a packet is handed over in. */
  readonly #packet: Mapping;
  #generation = 0n;

  constructor(name: 'backstop' | 'source_route' = 'backstop') {
    const table = libbpf();
    this.#object = checkPointer('open', table.bpf_object__open_file(OBJECT, null));
    for (const ring of ['connections', 'denials']) {
      check('resize', table.bpf_map__set_max_entries(this.#find(ring), SMALLEST_RING));
    }
    for (const other of [...CGROUP_FOLLOWERS, ...CGROUP_HOOKS]) {
      const program = checkPointer(other, table.bpf_object__find_program_by_name(this.#object, other));
      check('leave out', table.bpf_program__set_autoload(program, false));
    }
    check('load', table.bpf_object__load(this.#object));
    const program = table.bpf_object__find_program_by_name(this.#object, name);
    this.#program = table.bpf_program__fd(checkPointer('program', program));
    this.#policy = this.#memory('policy', 2 * Tables.size);
    this.#policy6 = this.#memory('policy6', 2 * Tables6.size);
    this.#policy6Low = this.#memory('policy6_low', 2 * Tables6Low.size);
    this.#control = new DataView(this.#memory('.data.control', Control.size));
    this.#packet = this.#scratch();
  }

  /** What `applyPolicy` uses of an Egress, and nothing else. A packet has no subject. */
  get egress(): Egress {
    return {
      inactiveSide: this.#generation & 1n ? 0 : 1,
      tables: (side: 0 | 1) => ({
        tables: new DataView(this.#policy, side * Tables.size, Tables.size),
        tables6: new DataView(this.#policy6, side * Tables6.size, Tables6.size),
        tables6Low: new DataView(this.#policy6Low, side * Tables6Low.size, Tables6Low.size),
      }),
      subjects: { keys: () => [], set: () => {}, delete: () => false },
      userCgroups: { keys: () => [], set: () => {}, delete: () => false },
      expectedCgroups: { keys: () => [], set: () => {}, delete: () => false },
      setUnlisted: () => {},
      setEnds: (side: 0 | 1, ended: number, next: bigint) => this.#setEnds(side, ended, next),
      flip: (flags: number, _denyBoxes: number, _confirmBy: bigint | undefined, ends: number) => {
        this.#generation += 1n;
        if (ends === 0) this.#setEnds(Number(this.#generation & 1n), 0, 0n);
        this.#control.setUint32(Control.offset.flags + 4 * Number(this.#generation & 1n), flags, true);
        this.#control.setUint32(
          Control.offset.generation + 4 * Number(this.#generation & 1n),
          Number(this.#generation),
          true,
        );
        this.#control.setBigUint64(Control.offset.version, this.#generation, true);
        return this.#generation;
      },
    } as unknown as Egress;
  }

  #setEnds(side: number, ended: number, next: bigint): void {
    this.#control.setUint32(Control.offset.ended + 4 * side, ended, true);
    this.#control.setBigUint64(Control.offset.next_end + 8 * side, next, true);
  }

  /** Whether the program drops a packet: an Ethernet frame, which says what it carries, of a page at most. */
  stops(frame: Uint8Array): boolean {
    new Uint8Array(this.#packet.buffer).set(frame);
    const options = Buffer.alloc(OPTIONS.size);
    options.writeBigUInt64LE(BigInt(OPTIONS.size));
    options.writeBigUInt64LE(this.#packet.address, OPTIONS.dataIn);
    options.writeUInt32LE(frame.length, OPTIONS.dataSizeIn);
    options.writeUInt32LE(1, OPTIONS.repeat);
    check('bpf_prog_test_run_opts', libbpf().bpf_prog_test_run_opts(this.#program, options));
    return options.readUInt32LE(OPTIONS.returned) === 0;
  }

  [Symbol.dispose](): void {
    for (const mapping of this.#mappings) unmap(mapping);
    libbpf().bpf_object__close(this.#object);
  }

  #find(name: string): Pointer {
    return checkPointer(name, libbpf().bpf_object__find_map_by_name(this.#object, name));
  }

  #memory(name: string, length: number): ArrayBuffer {
    const mapping = map(libbpf().bpf_map__fd(this.#find(name)), length, 0, true);
    this.#mappings.push(mapping);
    return mapping.buffer;
  }

  #scratch(): Mapping {
    const folder = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
    const file = openSync(join(folder, 'packet'), 'w+');
    ftruncateSync(file, PAGE);
    const mapping = map(file, PAGE, 0, true);
    closeSync(file);
    rmSync(folder, { recursive: true });
    this.#mappings.push(mapping);
    return mapping;
  }
}
