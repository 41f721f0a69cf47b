import { closeSync, openSync, readSync } from 'node:fs';
import { programFile } from '../host/program-file.ts';
import { BouhekiError } from '../error/error.ts';
import { check, checkPointer, libbpf, mapCalls, SystemError, withMessages, type Pointer } from './libbpf.ts';
import { BpfMap } from './map.ts';

/**
 * A compiled BPF object: opened, sized, loaded, attached. Everything it holds goes away when it is disposed
 * of.
 */
export class BpfObject implements Disposable {
  readonly #path: string;
  #pointer: Pointer;
  #links: { program: string; pointer: Pointer }[] = [];
  /** Descriptors of the programs that are attached. */
  readonly #attached: number[] = [];
  readonly #cgroupLinks = new Map<string, Pointer>();

  private constructor(path: string, pointer: Pointer) {
    this.#path = path;
    this.#pointer = pointer;
  }

  static open(path: string): BpfObject {
    const { result, messages } = withMessages(() => libbpf().bpf_object__open_file(path, null));
    if (!result) {
      throw new BouhekiError('kernel', `cannot open the BPF object ${path}`, {
        remedy: 'reinstall bouheki, or in a checkout: npm run build:bpf',
        detail: messages,
      });
    }
    return new BpfObject(path, result);
  }

  /** Before load: number of entries, or bytes of a ring. */
  resize(map: string, maxEntries: number): void {
    check('bpf_map__set_max_entries', libbpf().bpf_map__set_max_entries(this.#find(map), maxEntries));
  }

  /** Before load: takes the map of another object in the place of its own. */
  share(map: string, { fd }: BpfMap): void {
    check('bpf_map__reuse_fd', mapCalls().bpf_map__reuse_fd(this.#find(map), fd));
  }

  /** Before load: contents of a section of globals. */
  setInitialValue(map: string, value: Uint8Array): void {
    check(
      'bpf_map__set_initial_value',
      libbpf().bpf_map__set_initial_value(this.#find(map), value, value.byteLength),
    );
  }

  /** Before load: a program that will not be attached, so that the verifier has less to do. */
  leaveOut(program: string): void {
    const pointer = checkPointer(program, libbpf().bpf_object__find_program_by_name(this.#pointer, program));
    check('bpf_program__set_autoload', libbpf().bpf_program__set_autoload(pointer, false));
  }

  /** Loads every map and every program that is not left out. A BouhekiError carries the verifier's log. */
  load(): void {
    const { result, messages } = withMessages(() => libbpf().bpf_object__load(this.#pointer));
    if (result === 0) return;
    const cause = new SystemError('bpf_object__load', Number(result));
    throw new BouhekiError('verifier', `the kernel refused ${this.#path} (${cause.message})`, {
      remedy: 'run `bouheki doctor` to see what this kernel lacks; the verifier log follows',
      detail: messages,
      cause,
    });
  }

  /**
   * A map whose keys and values have these sizes, in bytes. Throws BouhekiError `kernel` where the object's values have
   * another: it was built from other sources, and would be told one thing for another. Keys differ by kernel.
   */
  map(name: string, keySize: number, valueSize: number): BpfMap {
    const pointer = this.#find(name);
    const built = Number(mapCalls().bpf_map__value_size(pointer));
    // A ring has no values.
    if (valueSize > 0 && built !== valueSize) {
      throw new BouhekiError('kernel', `${this.#path} is of another version than bouheki itself`, {
        remedy: 'Install bouheki anew; in a checkout, `npm run build:bpf`.',
        detail: `map ${name}: values of ${built} bytes, not ${valueSize}`,
      });
    }
    return new BpfMap(name, libbpf().bpf_map__fd(pointer), keySize, valueSize);
  }

  has(program: string): boolean {
    return Boolean(libbpf().bpf_object__find_program_by_name(this.#pointer, program));
  }

  /** Attaches one program to the hook that its section names. */
  attach(program: string): void {
    const pointer = checkPointer(program, libbpf().bpf_object__find_program_by_name(this.#pointer, program));
    const { result, messages } = withMessages(() =>
      checkPointer(`attach ${program}`, libbpf().bpf_program__attach(pointer)),
    );
    if (result === undefined) {
      throw new BouhekiError('kernel', `cannot attach ${program} to its hook`, {
        remedy: 'run `bouheki doctor`',
        detail: messages,
      });
    }
    this.#links.push({ program, pointer: result });
    this.#attached.push(libbpf().bpf_program__fd(pointer));
  }

  /** The programs that are attached, in this order, with the descriptors of their links. */
  get links(): { program: string; fd: number }[] {
    return this.#links.map(({ pointer, program }) => ({ program, fd: libbpf().bpf_link__fd(pointer) }));
  }

  /** Descriptors of the programs that are attached to hooks of the kernel. */
  get programs(): readonly number[] {
    return this.#attached;
  }

  /**
   * How often the kernel has left out a program because it was running on that processor already. Counted from
   * Linux 5.12 on; before, none is left out.
   */
  get skippedRuns(): number {
    return this.#attached.reduce((sum, program) => sum + recursionMisses(program), 0);
  }

  /** Attaches one program to a cgroup and everything below it. `path` is its directory. */
  attachToCgroup(program: string, path: string): void {
    const pointer = checkPointer(program, libbpf().bpf_object__find_program_by_name(this.#pointer, program));
    const remedy = 'name a directory of the cgroup v2 hierarchy';
    let fd: number;
    try {
      fd = openSync(path, 'r');
    } catch (cause) {
      throw new BouhekiError('usage', `cannot open the cgroup ${path}`, { remedy, cause });
    }
    try {
      const { result, messages } = withMessages(() =>
        checkPointer(`attach ${program}`, libbpf().bpf_program__attach_cgroup(pointer, fd)),
      );
      if (result === undefined) {
        throw new BouhekiError('kernel', `cannot attach ${program} to the cgroup ${path}`, {
          remedy,
          detail: messages,
        });
      }
      this.#links.push({ program, pointer: result });
      this.#cgroupLinks.set(program, result);
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Programs that were attached to a cgroup and are not any more: root can detach them, and a cgroup that
   * goes does.
   */
  get detached(): string[] {
    return [...this.#cgroupLinks].filter(([, link]) => !isAttachedToCgroup(link)).map(([program]) => program);
  }

  /**
   * All that an iterator writes. `pid`: of this process alone, where the kernel can select it (6.1);
   * elsewhere of every process, which takes longer.
   */
  iterate(program: string, pid?: number): Buffer {
    const pointer = checkPointer(program, libbpf().bpf_object__find_program_by_name(this.#pointer, program));
    const attach = (options: object | null) =>
      withMessages(() =>
        checkPointer(`attach ${program}`, libbpf().bpf_program__attach_iter(pointer, options)),
      );
    const narrowed = pid === undefined ? undefined : attach(iterationOf(pid)).result;
    const { error, messages, result } = narrowed === undefined ? attach(null) : { result: narrowed };
    if (result === undefined) {
      throw new BouhekiError('kernel', `the kernel does not run the iterator ${program}`, {
        remedy: 'run `bouheki doctor`',
        detail: messages,
        cause: error,
      });
    }
    try {
      return readAll(check('bpf_iter_create', libbpf().bpf_iter_create(libbpf().bpf_link__fd(result))));
    } finally {
      libbpf().bpf_link__destroy(result);
    }
  }

  [Symbol.dispose](): void {
    for (const { pointer } of this.#links) libbpf().bpf_link__destroy(pointer);
    this.#links = [];
    this.#cgroupLinks.clear();
    if (this.#pointer) libbpf().bpf_object__close(this.#pointer);
    this.#pointer = 0n;
  }

  #find(map: string): Pointer {
    return checkPointer(map, libbpf().bpf_object__find_map_by_name(this.#pointer, map));
  }
}

/** An object file, and whether it keeps identities in task storage. */
export interface ObjectFile {
  file: string;
  modern: boolean;
}

/** Loads the first object that the kernel accepts. Throws what it says of the first one if it accepts none. */
export function loadFirst(
  files: readonly ObjectFile[],
  prepare: (object: BpfObject) => void,
): ObjectFile & { object: BpfObject } {
  let refusal: unknown;
  for (const each of files) {
    const object = BpfObject.open(programFile(`bpf/${each.file}.bpf.o`));
    try {
      prepare(object);
      object.load();
      return { ...each, object };
    } catch (error) {
      object[Symbol.dispose]();
      refusal ??= error;
    }
  }
  throw refusal;
}

/** struct bpf_prog_info up to recursion_misses. A kernel that does not have it leaves the 0. */
const PROGRAM_INFO_SIZE = 216;
const RECURSION_MISSES = 208;

function recursionMisses(program: number): number {
  return Number(infoOf(program, PROGRAM_INFO_SIZE).getBigUint64(RECURSION_MISSES, true));
}

/**
 * What the kernel says of a map, a program or a link: the first `size` bytes of struct bpf_map_info, bpf_prog_info or
 * bpf_link_info. What it does not have is 0. Throws SystemError.
 */
function infoOf(fd: number, size: number): DataView {
  const info = new Uint8Array(size);
  check('bpf_obj_get_info_by_fd', libbpf().bpf_obj_get_info_by_fd(fd, info, new Uint32Array([size])));
  return new DataView(info.buffer);
}

/** The id of a map, a program or a link: all three structs begin with the kind and the id. Throws SystemError. */
export function objectId(fd: number): number {
  return infoOf(fd, 8).getUint32(4, true);
}

/**
 * struct bpf_link_info: 16 bytes for every kind of link, then the id of the cgroup, 0 when there is none any
 * more.
 */
const LINK_INFO_SIZE = 32;
const CGROUP_ID = 16;

function isAttachedToCgroup(link: Pointer): boolean {
  return infoOf(libbpf().bpf_link__fd(link), LINK_INFO_SIZE).getBigUint64(CGROUP_ID, true) !== 0n;
}

/**
 * struct bpf_iter_attach_opts for one process: its union bpf_iter_link_info is thread id, process id and
 * descriptor.
 */
function iterationOf(pid: number): object {
  return { sz: 24, link_info: new Uint32Array([0, pid, 0]), link_info_len: 12 };
}

const CHUNK = 1 << 16;

/** Reads a descriptor to its end, and closes it. */
function readAll(fd: number): Buffer {
  const chunks: Buffer[] = [];
  try {
    for (;;) {
      const chunk = Buffer.alloc(CHUNK);
      const length = readSync(fd, chunk);
      if (length === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}
