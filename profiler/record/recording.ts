import { Operation, type EventBatch } from '../event/batch.ts';
import { credentialKey, type AccountKind, type Credential } from '../event/credential.ts';
import {
  LOSS_KINDS,
  type AnswerRow,
  type BoxRow,
  type ContainerRow,
  type FoldedRow,
  type LossKind,
  type ProcessRow,
} from '../event/dimension.ts';
import { AnswerFold } from './answer-fold.ts';
import { NameSets } from './name-sets.ts';
import { Numbers } from './numbers.ts';
import { RateMeter } from './rate-meter.ts';
import {
  answerCells,
  containerCells,
  credentialCells,
  hourlyCells,
  processCells,
} from '../database/name-cells.ts';
import type { RecordingEnd, RowWriter } from '../database/row-writer.ts';
import type { EventSink } from '../event/sink.ts';

/** What a recording has taken in so far. */
export interface RecordingCounters {
  /** All that the kernel reported, the next two included. */
  events: number;
  /** UDP connects, which send nothing: what is sent then is an event of its own. */
  intents: number;
  /** Sockets that no destination can be judged by. */
  sockets: number;
  processes: number;
  containers: number;
  lost: Record<LossKind, number>;
}

/** Which recording it is. */
export interface RecordingIdentity {
  /** Row id in the `recording` table. */
  id: number;
  /** Microseconds since the epoch. */
  startedAt: number;
}

/**
 * One run of learn or enforce, being written: gives names their numbers and counts. Everything but `end` is
 * synchronous; nothing is safe before `flush`. After a failure (such as a full disk) every call throws that
 * same BouhekiError and what was flushed before stays.
 */
export class Recording implements EventSink {
  readonly id: number;
  readonly startedAt: number;
  readonly counters: RecordingCounters = noCounters();
  /** Of events, marked at each flush. */
  readonly rate = new RateMeter();
  readonly #writer: RowWriter;
  readonly #commands = new Numbers();
  readonly #credentials = new Numbers();
  readonly #names: NameSets;
  readonly #answers = new AnswerFold((count) => this.#writer.add('answer', answerCells(count)));
  readonly #begun = performance.now();
  #boxCount = 0;
  #containerVersion = 0;
  #ended = false;

  constructor({ id, startedAt }: RecordingIdentity, writer: RowWriter) {
    this.id = id;
    this.startedAt = startedAt;
    this.#writer = writer;
    this.#names = new NameSets(
      (id, text) => writer.add('name', [id, text]),
      (id, names) => writer.add('name_set', [id, names]),
    );
  }

  /** Microseconds for which it has run, however the clock on the wall was set meanwhile. */
  get passed(): number {
    return (performance.now() - this.#begun) * 1000;
  }

  get room(): number {
    return this.#writer.room;
  }

  /**
   * Adds a process image. Returns its row id for `EventBatch.process`; 0 stands for a process that was
   * missed.
   */
  process(row: ProcessRow): number {
    const id = (this.counters.processes += 1);
    this.#writer.add('process', processCells(id, row));
    return id;
  }

  /** Adds a container. Returns its row id for `ProcessRow.containerId`. */
  container(row: ContainerRow): number {
    const id = (this.counters.containers += 1);
    this.updateContainer(id, row);
    return id;
  }

  /**
   * Replaces what is known of a container, for events before and after: such as a name that was found later.
   */
  updateContainer(id: number, row: ContainerRow): void {
    this.#containerVersion += 1;
    this.#writer.add('container', containerCells(id, this.#containerVersion, row));
  }

  /** The row id of a command name (comm) for `EventBatch.command`. Equal names get equal ids. */
  command(text: string): number {
    return this.#commands.of(text, (id) => this.#writer.add('command', [id, text]));
  }

  /** The row id of a credential for `EventBatch.credential`. Equal ones get equal ids. */
  credential(credential: Credential): number {
    return this.#credentials.of(credentialKey(credential), (id) =>
      this.#writer.add('credential', credentialCells(id, credential)),
    );
  }

  /**
   * The row id, for `EventBatch.names`, of the names that an address is known by, the best first; 0 for none.
   * Equal ones get equal ids, which hold until `nameEpoch` changes.
   */
  nameSet(names: readonly string[]): number {
    return this.#names.of(names);
  }

  get nameEpoch(): number {
    return this.#names.epoch;
  }

  /** Counts an answer of a resolver; equal ones of an hour share a row. */
  answer(row: AnswerRow): void {
    this.#answers.add(row);
  }

  /** Names a user or group, for events before and after. */
  account(kind: AccountKind, id: number, name: string): void {
    this.#writer.add('account', [kind, id, name]);
  }

  /**
   * Names the boxes of a policy that comes into force. Returns the number to add to a box's index in that
   * policy for `EventBatch.box`: 0 for the first policy of a recording, more after a reload.
   */
  boxes(list: readonly BoxRow[]): number {
    const base = this.#boxCount;
    for (const [index, box] of list.entries()) {
      this.#writer.add('box', [base + index, box.name, box.action]);
    }
    this.#boxCount += list.length;
    return base;
  }

  /** Takes a copy of the batch; the caller resets and reuses it. */
  append(batch: EventBatch): void {
    if (batch.length === 0) return;
    this.#writer.append(batch);
    this.counters.events += batch.events;
    const { count, operation } = batch.columns;
    for (let row = 0; row < batch.length; row += 1) this.#countApart(operation[row]!, count[row]!);
  }

  /** Adds equal events of which only the count is known. */
  folded(row: FoldedRow): void {
    this.#writer.add('hourly', hourlyCells(row));
    this.counters.events += row.count;
    this.#countApart(row.operation, row.count);
  }

  /** Counts what is no connection. */
  #countApart(operation: number, count: number): void {
    if (operation === Operation.intent) this.counters.intents += count;
    else if (operation === Operation.open) this.counters.sockets += count;
  }

  /**
   * Reports which of the processes so far later events may name, so that the others can go when no event
   * names them.
   */
  settle(kept: Int32Array): void {
    this.#writer.settle({ last: this.counters.processes, kept });
  }

  /**
   * Counts what was not recorded, of a user where that is known. The sum by kind is stored with the
   * recording.
   */
  recordLoss(kind: LossKind, count: number, uid?: number): void {
    if (count === 0) return;
    this.counters.lost[kind] += count;
    this.#writer.add('loss', [BigInt(Date.now()) * 1000n, kind, BigInt(count), uid]);
  }

  /** Notes that the clock was set by so many microseconds: times before and after it do not compare. */
  clockStep(step: number): void {
    this.#writer.add('clock_step', [BigInt(Date.now()) * 1000n, BigInt(Math.round(step))]);
  }

  /**
   * Commits everything so far, names before events, or has another process do so. Call it at least every
   * second: SIGKILL loses what is younger.
   */
  flush(): void {
    this.#answers.flush();
    const retired = this.#names.flush();
    if (retired === undefined) this.#writer.commit();
    else this.#writer.retireNames(retired);
    this.rate.mark(performance.now(), this.counters.events);
  }

  /** Whether it still takes events: it has not ended and nothing has failed. */
  get open(): boolean {
    return !this.#ended && this.#writer.failure === undefined;
  }

  /** Flushes and closes the recording. Calling it again does nothing. */
  async end(state: RecordingEnd['state']): Promise<void> {
    if (this.#ended) return;
    this.#answers.end();
    this.flush();
    this.#ended = true;
    await this.#writer.end({ state, events: this.counters.events });
  }

  /** Gives up what is not flushed, for a database that cannot be written any more. Never throws. */
  abandon(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#writer.abandon();
  }
}

/** What a recording has taken in before it has begun. */
export function noCounters(): RecordingCounters {
  return { events: 0, intents: 0, sockets: 0, processes: 0, containers: 0, lost: noLosses() };
}

/** None of any kind. */
export function noLosses(): Record<LossKind, number> {
  return Object.fromEntries(LOSS_KINDS.map((kind) => [kind, 0])) as Record<LossKind, number>;
}
