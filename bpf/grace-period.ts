import { check, libbpf } from './libbpf.ts';

const ARRAY = 2;
const ARRAY_OF_MAPS = 12;
/** struct bpf_map_create_opts up to inner_map_fd, which is its last member here. */
const OPTIONS_SIZE = 32;
const INNER_MAP_FD = 24;

/**
 * Waits until every program that runs has ended: all of ours run inside RCU, none is sleepable.
 *
 * The kernel waits for a grace period at each update of a map of maps (maybe_wait_bpf_programs() in
 * kernel/bpf/syscall.c), and offers nothing else that always does: membarrier() is refused with `nohz_full=`
 * on the kernel's command line, and by system call filters.
 */
export class GracePeriod implements Disposable {
  readonly #inner: number;
  readonly #outer: number;

  /** Throws SystemError where there is no room for two maps. */
  constructor() {
    this.#inner = create('grace_inner', ARRAY, null);
    const options = new DataView(new ArrayBuffer(OPTIONS_SIZE));
    options.setBigUint64(0, BigInt(OPTIONS_SIZE), true);
    options.setUint32(INNER_MAP_FD, this.#inner, true);
    try {
      this.#outer = create('grace', ARRAY_OF_MAPS, new Uint8Array(options.buffer));
    } catch (error) {
      libbpf().close(this.#inner);
      throw error;
    }
  }

  /** Blocks for some milliseconds. Throws SystemError when the kernel did not wait. */
  wait(): void {
    const value = Buffer.alloc(4);
    value.writeInt32LE(this.#inner);
    check('bpf_map_update_elem', libbpf().bpf_map_update_elem(this.#outer, Buffer.alloc(4), value, 0));
  }

  [Symbol.dispose](): void {
    libbpf().close(this.#outer);
    libbpf().close(this.#inner);
  }
}

function create(name: string, type: number, options: Uint8Array | null): number {
  return check('bpf_map_create', libbpf().bpf_map_create(type, name, 4, 4, 1, options));
}
