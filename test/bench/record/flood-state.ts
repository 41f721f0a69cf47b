import { map } from '../../../bpf/libbpf.ts';

const PAGE = 4096;

export interface FloodPlan {
  processes: number;
  subjects: number;
  destinations: number;
  denyEvery: number;
}

/** The globals of flood.bpf.c, which both processes of the benchmark map. */
export class FloodState {
  readonly #words: Uint32Array;
  readonly #counters: BigUint64Array;

  private constructor(buffer: ArrayBuffer) {
    this.#words = new Uint32Array(buffer, 0, 6);
    this.#counters = new BigUint64Array(buffer, 24, 5);
  }

  static of(fd: number): FloodState {
    return new FloodState(map(fd, PAGE, 0, true).buffer);
  }

  configure({ processes, subjects, destinations, denyEvery }: FloodPlan): void {
    this.#words.set([0, processes, subjects, destinations, denyEvery]);
  }

  set count(records: number) {
    this.#words[0] = records;
  }

  /** Connections, those of them that are denials, and what did not fit. */
  counters(): { produced: number; denied: number; lost: number; lostDenials: number; lostProcesses: number } {
    const [produced, denied, lost, lostDenials, lostProcesses] = [...this.#counters].map(Number);
    return {
      produced: produced!,
      denied: denied!,
      lost: lost!,
      lostDenials: lostDenials!,
      lostProcesses: lostProcesses!,
    };
  }
}
