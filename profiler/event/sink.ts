import type { EventBatch } from './batch.ts';
import type { AccountKind, Credential } from './credential.ts';
import type { AnswerRow, ContainerRow, FoldedRow, LossKind, ProcessRow } from './dimension.ts';

/** Where a recorder puts what it reads: a recording, or nowhere. See Recording for each call. */
export interface EventSink {
  readonly counters: { events: number };
  /** Rows of events that `append` takes without a wait. */
  readonly room: number;
  process(row: ProcessRow): number;
  container(row: ContainerRow): number;
  updateContainer(id: number, row: ContainerRow): void;
  command(text: string): number;
  credential(credential: Credential): number;
  account(kind: AccountKind, id: number, name: string): void;
  nameSet(names: readonly string[]): number;
  /** Changes when row ids of `nameSet` have become void: from the next event on no older one may be named. */
  readonly nameEpoch: number;
  answer(row: AnswerRow): void;
  append(batch: EventBatch): void;
  folded(row: FoldedRow): void;
  settle(kept: Int32Array): void;
  recordLoss(kind: LossKind, count: number, uid?: number): void;
  flush(): void;
}

/** Takes everything and keeps nothing but the count of events. */
export function discarding(): EventSink {
  const counters = { events: 0 };
  return {
    counters,
    room: Number.POSITIVE_INFINITY,
    process: () => 0,
    container: () => 0,
    updateContainer: () => {},
    command: () => 0,
    credential: () => 0,
    account: () => {},
    nameSet: () => 0,
    nameEpoch: 0,
    answer: () => {},
    append: (batch) => {
      counters.events += batch.events;
    },
    folded: ({ count }) => {
      counters.events += count;
    },
    settle: () => {},
    recordLoss: () => {},
    flush: () => {},
  };
}
