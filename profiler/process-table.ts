import { bootTime } from '../bpf/clock.ts';
import { ProcessFlag } from '../bpf/wire.ts';
import { readCgroupPath } from './cgroup.ts';
import type { Container, ContainerNames } from './container.ts';
import type { ProcessRecord } from './decode.ts';
import type { EventSink } from './sink.ts';

/** A process image that has connected. */
export interface ProcessImage extends ProcessRecord {
  /** Row id in the recording. */
  row: number;
  container?: Container;
  unit?: string;
  /** Also where no runtime that we know has made the container. */
  inContainer: boolean;
}

/** Images kept in memory; twice as many at the most. An image that was dropped costs a row of its own when it is back. */
const KEPT = 32_768;

/** Process images by the key that their events carry. */
export class ProcessTable {
  #sink: EventSink;
  readonly #names: ContainerNames;
  /** Row and whether the name is settled, by container id. */
  readonly #containers = new Map<string, { row: number; known: boolean }>();
  /** How often images that were not asked for have been dropped. */
  forgotten = 0;
  #young = new Map<bigint, ProcessImage>();
  #old = new Map<bigint, ProcessImage>();

  constructor(sink: EventSink, names: ContainerNames) {
    this.#sink = sink;
    this.#names = names;
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

  /** Takes up a process record; a key that is known already (another thread told it too) changes nothing. */
  add(record: ProcessRecord): void {
    if (this.get(record.key)) return;
    const { container: found, unit } = readCgroupPath(record.cgroupPath);
    const container = found && this.#names.find(found.runtime, found.id);
    const inContainer = container !== undefined || (record.flags & ProcessFlag.inContainer) !== 0;
    const row = this.#sink.process({
      key: record.key,
      pid: record.pid,
      parentPid: record.parentPid,
      exe: record.path,
      device: BigInt(record.device),
      inode: record.inode,
      script: record.script,
      arguments: record.arguments,
      command: record.command,
      parentCommand: record.parentCommand,
      nodename: record.nodename,
      mountNamespace: record.mountNamespace,
      pidNamespace: record.pidNamespace,
      cgroupId: record.cgroup,
      cgroupPath: record.cgroupPath,
      ...(container && { containerId: this.#rowOf(container) }),
      ...(unit !== undefined && { unit }),
      flags: record.flags,
      startedAt: Number((BigInt(Date.now()) * 1_000_000n - bootTime() + record.started) / 1000n),
    });
    const image: ProcessImage = { ...record, row, inContainer };
    if (container) image.container = container;
    if (unit !== undefined) image.unit = unit;
    this.#keep(image);
  }

  /** Asks again for the names of containers that were not known when they first connected. */
  refreshNames(): void {
    for (const image of this.#young.values()) {
      if (!image.container || image.container.known) continue;
      const again = this.#names.find(image.container.runtime, image.container.id);
      if (again.known) {
        image.container = again;
        this.#rowOf(again);
      }
    }
  }

  #rowOf(container: Container): number {
    const { runtime, id, name, image, imageId, known } = container;
    const row = { runtime, id, name, image, imageId };
    const entry = this.#containers.get(id);
    if (!entry) {
      const added = { row: this.#sink.container(row), known };
      this.#containers.set(id, added);
      return added.row;
    }
    if (known && !entry.known) {
      this.#sink.updateContainer(entry.row, row);
      entry.known = true;
    }
    return entry.row;
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
