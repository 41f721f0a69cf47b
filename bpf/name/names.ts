import { programFile } from '../../host/program-file.ts';
import { BouhekiError } from '../../error/error.ts';
import { visibleNamespace } from '../../host/namespace.ts';
import type { BpfMap, MapMemory } from '../map.ts';
import { BpfObject } from '../object.ts';
import { Ring } from '../ring.ts';
import { NAME_COUNTERS, Naming, PatternKey, ResolverKey, ResolverValue } from '../wire.ts';

/** Bytes of the ring; a power of two. Some thousands of answers. */
const RING = 4 << 20;

/** The programs that read DNS answers for the processes of one cgroup and everything below it. */
export class Names implements Disposable {
  /** Records of struct answer. */
  readonly answers: Ring;
  /** Which names open what, by struct pattern_key. */
  readonly patterns: BpfMap;
  /** Addresses by struct known_key, which verdicts look at. */
  readonly known: BpfMap;
  /** Whose answers count, by struct resolver_key. */
  readonly resolvers: BpfMap;
  /** Whether whoever speaks as a resolver of this host is seen, wherever it runs. */
  seesImpostors = true;
  readonly #naming: MapMemory;
  readonly #object: BpfObject;
  readonly #counters: BpfMap;

  private constructor(object: BpfObject, known: BpfMap) {
    this.#object = object;
    this.known = known;
    this.answers = new Ring(object.map('answers_read', 0, 0).fd, RING);
    this.patterns = object.map('patterns', PatternKey.size, 4);
    this.resolvers = object.map('resolvers', ResolverKey.size, ResolverValue.size);
    this.#counters = object.map('name_counters', 4, 8);
    this.#naming = object.map('.data.naming', 4, Naming.size).memory(Naming.size);
    this.numbers('host_namespace', 1)[0] = visibleNamespace('net');
  }

  /**
   * Loads and attaches them to the cgroup whose directory is `cgroup`, normally the root of the hierarchy, with the
   * map in which the programs that judge look for addresses. `root`: whose processes may speak as a resolver. Throws
   * BouhekiError where the kernel refuses.
   */
  static load(cgroup: string, known: BpfMap, root = cgroup): Names {
    const object = BpfObject.open(programFile('bpf/names.bpf.o'));
    let names: Names | undefined;
    try {
      object.resize('answers_read', RING);
      object.share('known', known);
      object.load();
      names = new Names(object, known);
      if (root !== cgroup) names.#attachTo(root);
      // Whose query was not seen gets no answer read: first the program that sees queries.
      for (const program of ['named4', 'named6', 'asks', 'answers']) object.attachToCgroup(program, cgroup);
      return names;
    } catch (error) {
      names?.[Symbol.dispose]();
      if (names === undefined) object[Symbol.dispose]();
      throw error;
    }
  }

  /** Where a single cgroup is given, the root may be out of reach. */
  #attachTo(root: string): void {
    try {
      this.#object.attachToCgroup('impostors', root);
    } catch (error) {
      if (!(error instanceof BouhekiError)) throw error;
      this.seesImpostors = false;
    }
  }

  /** The programs that are attached, in this order, with the descriptors of their links. */
  get links(): { program: string; fd: number }[] {
    return this.#object.links;
  }

  /** Programs that were detached from their cgroup. */
  get detached(): string[] {
    return this.#object.detached;
  }

  /** The first `count` numbers of a field of struct naming, which the programs see at once. */
  numbers(field: keyof typeof Naming.offset, count: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.#naming.buffer, Naming.offset[field], count);
  }

  /** Sum over all CPUs, by `NameCounter`. */
  counters(): number[] {
    return this.#counters.sums(NAME_COUNTERS);
  }

  [Symbol.dispose](): void {
    this.answers[Symbol.dispose]();
    this.#naming[Symbol.dispose]();
    this.#object[Symbol.dispose]();
  }
}
