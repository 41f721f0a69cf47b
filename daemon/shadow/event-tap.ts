import type { EventBatch } from '../../profiler/event/batch.ts';
import type { AccountKind, Credential } from '../../profiler/event/credential.ts';
import type {
  AnswerRow,
  ContainerRow,
  FoldedRow,
  LossKind,
  ProcessRow,
} from '../../profiler/event/dimension.ts';
import type { EventSink } from '../../profiler/event/sink.ts';

/** What is kept of a process image. */
export type TappedProcess = Pick<
  ProcessRow,
  'exe' | 'script' | 'unit' | 'cgroupPath' | 'containerId' | 'flags'
>;

/** Rows of a kind that are remembered: who runs under many names may make any number of them. */
const MOST = 131_072;

/** What rows stand for. The one that was named least lately is forgotten for one more. */
class Latest<T> {
  readonly #rows = new Map<number, T>();

  get(row: number): T | undefined {
    return this.#rows.get(row);
  }

  set(row: number, value: T): void {
    if (!this.#rows.delete(row) && this.#rows.size >= MOST)
      this.#rows.delete(this.#rows.keys().next().value!);
    this.#rows.set(row, value);
  }
}

/** What is told of events, whose rows are those of the tap. */
export interface TapListener {
  batch(batch: EventBatch): void;
  folded(row: FoldedRow): void;
}

/** Passes on what goes into a recording, remembers what rows stand for, and has somebody see the events. */
export class EventTap implements EventSink {
  readonly #sink: EventSink;
  #listener: TapListener | undefined;
  readonly #failed: (error: unknown) => void;
  readonly processes = new Map<number, TappedProcess>();
  readonly containers = new Latest<ContainerRow>();
  readonly commands = new Latest<string>();
  readonly credentials = new Latest<Credential>();
  readonly nameSets = new Latest<readonly string[]>();

  /** What the listener throws goes to `failed`, and it is told nothing any more. */
  constructor(sink: EventSink, listener: (tap: EventTap) => TapListener, failed: (error: unknown) => void) {
    this.#sink = sink;
    this.#listener = listener(this);
    this.#failed = failed;
  }

  get counters(): { events: number } {
    return this.#sink.counters;
  }

  get room(): number {
    return this.#sink.room;
  }

  get nameEpoch(): number {
    return this.#sink.nameEpoch;
  }

  process(row: ProcessRow): number {
    const id = this.#sink.process(row);
    const { cgroupPath, containerId, exe, flags, script, unit } = row;
    const place = { ...(unit !== undefined && { unit }), ...(containerId !== undefined && { containerId }) };
    this.processes.set(id, { exe, script, cgroupPath, flags, ...place });
    return id;
  }

  container(row: ContainerRow): number {
    const id = this.#sink.container(row);
    this.containers.set(id, row);
    return id;
  }

  updateContainer(id: number, row: ContainerRow): void {
    this.#sink.updateContainer(id, row);
    this.containers.set(id, row);
  }

  command(text: string): number {
    const id = this.#sink.command(text);
    this.commands.set(id, text);
    return id;
  }

  credential(credential: Credential): number {
    const id = this.#sink.credential(credential);
    this.credentials.set(id, credential);
    return id;
  }

  account(kind: AccountKind, id: number, name: string): void {
    this.#sink.account(kind, id, name);
  }

  nameSet(names: readonly string[]): number {
    const id = this.#sink.nameSet(names);
    this.nameSets.set(id, names);
    return id;
  }

  answer(row: AnswerRow): void {
    this.#sink.answer(row);
  }

  append(batch: EventBatch): void {
    this.#tell((listener) => listener.batch(batch));
    this.#sink.append(batch);
  }

  folded(row: FoldedRow): void {
    this.#tell((listener) => listener.folded(row));
    this.#sink.folded(row);
  }

  settle(kept: Int32Array): void {
    this.#sink.settle(kept);
    const rows = new Set(kept);
    for (const id of this.processes.keys()) if (!rows.has(id)) this.processes.delete(id);
  }

  recordLoss(kind: LossKind, count: number, uid?: number): void {
    this.#sink.recordLoss(kind, count, uid);
  }

  flush(): void {
    this.#sink.flush();
  }

  #tell(event: (listener: TapListener) => void): void {
    try {
      if (this.#listener) event(this.#listener);
    } catch (error) {
      this.#listener = undefined;
      this.#failed(error);
    }
  }
}
