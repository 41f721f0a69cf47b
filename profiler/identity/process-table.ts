import type { Asker } from '../name/answer.ts';
import { bootTime } from '../../bpf/clock.ts';
import { ProcessFlag } from '../../bpf/wire.ts';
import { ancestorText, withExecutable } from './ancestor.ts';
import type { CgroupContainer } from './cgroup.ts';
import { CgroupReader } from './cgroup-reader.ts';
import type { Container, ContainerNames } from './container.ts';
import { ProgramPlaces } from './program-place.ts';
import type { ProcessRecord } from '../event/decode.ts';
import type { ContainerRow } from '../event/dimension.ts';
import type { EventSink } from '../event/sink.ts';

/**
 * Of a process image that has connected, what is asked for later: there may be many, and their arguments are
 * long.
 */
export interface ProcessImage extends Pick<
  ProcessRecord,
  'key' | 'path' | 'script' | 'nodename' | 'parentCommand'
> {
  /** Row id in the recording. */
  row: number;
  /** See ancestorText(). */
  ancestors: string;
  container?: Container;
  /** systemd unit. */
  unit?: string;
  /** Also where no runtime that we know has made the container. */
  inContainer: boolean;
  /** As whom it asks for names. */
  asker: Asker;
}

/**
 * Images kept in memory; twice as many at the most. An image that was dropped costs a row of its own when it
 * is back.
 */
const KEPT = 65_536;
/**
 * Containers remembered; one that was forgotten gets a row of its own when another process of it connects.
 */
const CONTAINERS = 16_384;
/** Cgroups of unknown containers counted at the most. */
const STRANGE = 4096;

/** Process images by the key that their events carry. */
export class ProcessTable {
  #sink: EventSink;
  readonly #names: ContainerNames;
  readonly #cgroups: CgroupReader;
  readonly #places: ProgramPlaces;
  /** Rows, and the containers as they were reported last, by what tells containers apart. */
  readonly #containers = new Map<string, { row: number; container: Container }>();
  /** Cgroups of containers whose runtime is not known. */
  readonly #strange = new Set<string>();
  /** The image that was reported last of each process, by its pid. */
  readonly #askers = new Map<number, { started: bigint; row: number }>();
  /** How often images that were not asked for have been dropped. */
  forgotten = 0;
  #young = new Map<bigint, ProcessImage>();
  #old = new Map<bigint, ProcessImage>();

  constructor(
    sink: EventSink,
    names: ContainerNames,
    cgroups = new CgroupReader(),
    places = new ProgramPlaces(() => []),
  ) {
    this.#sink = sink;
    this.#names = names;
    this.#places = places;
    this.#cgroups = cgroups;
  }

  /** From now on rows go there. */
  redirect(sink: EventSink): void {
    this.#sink = sink;
  }

  get(key: bigint): ProcessImage | undefined {
    const young = this.#young.get(key);
    if (young) return young;
    const old = this.#old.get(key);
    if (old) this.#keep(old);
    return old;
  }

  /** The row of the image that a process was reported with last; 0 where it is not known. */
  rowOf({ pid, started }: Asker): number {
    const known = this.#askers.get(pid);
    return known?.started === started ? known.row : 0;
  }

  /** The rows of all images that are kept, some of them twice. */
  rows(): Int32Array {
    return Int32Array.from([...this.#old.values(), ...this.#young.values()], ({ row }) => row);
  }

  /**
   * Takes up a process record; a key that is known already (another thread reported it too) changes nothing.
   */
  add(record: ProcessRecord): void {
    if (this.get(record.key)) return;
    const flagged = (record.flags & ProcessFlag.inContainer) !== 0;
    const { container: found, inner, unit } = this.#cgroups.read(record.cgroupPath);
    // systemd gives virtual machines scopes of the same name as containers.
    const container = found && (flagged || found.runtime !== 'nspawn') ? this.#names.find(found) : undefined;
    const inContainer = container !== undefined || flagged;
    if (!container && flagged && this.#strange.size < STRANGE) this.#strange.add(record.cgroupPath);
    const epoch = BigInt(Date.now()) * 1_000_000n - bootTime();
    const micros = (started: bigint): number => Number((epoch + started) / 1000n);
    const { path: reported, device, cgroup, started, ancestors, ...same } = record;
    const path = inContainer ? reported : this.#places.executableOf(record);
    const row = this.#sink.process({
      ...same,
      exe: path,
      device: BigInt(device),
      cgroupId: cgroup,
      ...(container && { containerId: this.#rowIn(container, found!, inner) }),
      ...(unit !== undefined && { unit }),
      startedAt: micros(started),
      ancestors: ancestors.map(withExecutable).map((ancestor) => ({
        pid: ancestor.pid,
        startedAt: micros(ancestor.started),
        command: ancestor.command,
        exe: ancestor.path,
        primed: ancestor.primed,
      })),
    });
    const { key, nodename, parentCommand, script } = record;
    this.#keep({
      key,
      path,
      script,
      nodename,
      parentCommand,
      ancestors: ancestorText(ancestors),
      row,
      ...(container && { container }),
      ...(unit !== undefined && { unit }),
      inContainer,
      asker: { pid: record.pid, started, cgroup, networkNamespace: record.networkNamespace },
    });
    this.#askers.delete(record.pid);
    if (this.#askers.size === KEPT) this.#askers.delete(this.#askers.keys().next().value!);
    this.#askers.set(record.pid, { started, row });
  }

  /** A cgroup was made: if it is a container's, its name is looked for before the first connection. */
  expect(cgroupPath: string): void {
    const { container } = this.#cgroups.read(cgroupPath);
    if (container) this.#names.find(container);
  }

  /** Passes to the recording what has become known of containers since the last time. */
  refreshNames(): void {
    for (const container of this.#names.takeChanged()) {
      const entry = this.#containers.get(container.id);
      if (entry) this.#sink.updateContainer(entry.row, rowOf(container));
    }
  }

  /** How many containers have connected whose name is not known. */
  get unnamed(): number {
    const nameless = [...this.#containers.values()].filter(({ container }) => !container.known);
    return nameless.length + this.#strange.size;
  }

  /**
   * The row of the innermost container: of one that is inside `container`, this host knows no more than the
   * id.
   */
  #rowIn(container: Container, place: CgroupContainer, inner: CgroupContainer | undefined): number {
    const outer = this.#addContainer(containerKey(place), container, rowOf(container));
    if (!inner) return outer;
    const { runtime, id } = inner;
    return this.#addContainer(`${containerKey(place)}/${id}`, container, {
      runtime,
      id,
      name: '',
      image: '',
      imageId: '',
      parent: outer,
    });
  }

  #addContainer(key: string, container: Container, facts: ContainerRow): number {
    const known = this.#containers.get(key);
    if (known) return known.row;
    const row = this.#sink.container(facts);
    const [oldest] = this.#containers.keys();
    if (this.#containers.size === CONTAINERS) this.#containers.delete(oldest!);
    this.#containers.set(key, { row, container });
    return row;
  }

  #keep(image: ProcessImage): void {
    if (this.#young.size >= KEPT) {
      this.#old = this.#young;
      this.#young = new Map();
      this.forgotten += 1;
    }
    this.#young.set(image.key, image);
  }
}

/** The id of a container; one in a user's cgroup is another, whatever id it bears. */
function containerKey({ id, user }: CgroupContainer): string {
  return user === undefined ? id : `${user}:${id}`;
}

function rowOf({ known, asked: _asked, since: _since, ...facts }: Container): ContainerRow {
  return { ...facts, name: known ? facts.name : '' };
}
