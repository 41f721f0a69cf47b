import { programFile } from '../../host/program-file.ts';
import type { BpfMap } from '../map.ts';
import { BpfObject } from '../object.ts';
import { Ring } from '../ring.ts';
import { NAME_COUNTERS } from '../wire.ts';

/** Bytes of the ring; a power of two. Some thousands of answers. */
const RING = 4 << 20;

/** The programs that read DNS answers for the processes of one cgroup and everything below it. */
export class Names implements Disposable {
  /** Records of struct answer. */
  readonly answers: Ring;
  readonly #object: BpfObject;
  readonly #counters: BpfMap;

  private constructor(object: BpfObject) {
    this.#object = object;
    this.answers = new Ring(object.map('answers_read', 0, 0).fd, RING);
    this.#counters = object.map('name_counters', 4, 8);
  }

  /**
   * Loads and attaches them to the cgroup whose directory is `cgroup`, normally the root of the hierarchy. Throws
   * BouhekiError where the kernel refuses.
   */
  static load(cgroup: string): Names {
    const object = BpfObject.open(programFile('bpf/names.bpf.o'));
    try {
      object.resize('answers_read', RING);
      object.load();
      // Whose query was not seen gets no answer read: first the program that sees queries.
      for (const program of ['asks', 'answers']) object.attachToCgroup(program, cgroup);
      return new Names(object);
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
  }

  /** Sum over all CPUs, by `NameCounter`. */
  counters(): number[] {
    return this.#counters.sums(NAME_COUNTERS);
  }

  [Symbol.dispose](): void {
    this.answers[Symbol.dispose]();
    this.#object[Symbol.dispose]();
  }
}
