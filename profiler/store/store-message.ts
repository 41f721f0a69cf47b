import { BouhekiError } from '../../error/error.ts';
import type { LearningPlan, RunningWindow } from '../record/learning-window.ts';
import type { LiveStatus } from '../serve/live-status.ts';
import { describeFailure, failureError, type Failure } from '../serve/protocol.ts';
import type { RecordingIdentity } from '../record/recording.ts';
import type { RecentAnswer } from './recent-answers.ts';
import type { RetentionLimits, RetentionReport } from './retention.ts';
import type { Cell, NameTable, RecordingEnd, Settled } from '../database/row-writer.ts';
import type { Taken } from './store-writer.ts';
import type { Past, RecordingInfo } from './store.ts';

/** What the process of the store is asked to do, one answer each. */
export interface StoreMethods {
  open(at: { path: string; pid: number }): Promise<{ past: Past; unserved: string | undefined }>;
  learningWindow(plan: LearningPlan): Promise<RunningWindow>;
  recentAnswers(): Promise<RecentAnswer[]>;
  startWriting(info: RecordingInfo): Promise<RecordingIdentity>;
  keepWithin(limits: RetentionLimits): Promise<void>;
  end(end: RecordingEnd): Promise<void>;
  close(): Promise<void>;
}
export type StoreMethod = keyof StoreMethods;

/** A row of a table of names. */
export type NameOrder = readonly [NameTable, readonly Cell[]];

/** A batch of events: the bytes of its columns. */
interface BatchOrder {
  readonly rows: number;
  /** That the rows stand for. */
  readonly events: number;
  readonly bytes: Uint8Array;
}

/**
 * What is to be done with the recording, in this order: a row of names, a batch, a commit, a commit with what
 * has been settled, or with the sets of names up to which none is named any more.
 */
export type Order =
  | NameOrder
  | BatchOrder
  | 'commit'
  | { readonly settled: Settled }
  | { readonly retired: number };

export type ToStore =
  | { orders: Order[] }
  | { abandon: true }
  | { call: number; method: StoreMethod; argument: unknown }
  | { asked: number; status: LiveStatus };

export type FromStore =
  | { called: number; value: unknown }
  | { called: number; thrown: Thrown }
  | { taken: Taken }
  /** The recording can't be written any more. */
  | { failed: Thrown }
  | { ask: number }
  | { noticed: string }
  | { folded: RetentionReport }
  | { unfolded: Thrown };

/** An error on its way between processes. A bug keeps its stack. */
export type Thrown = { failure: Failure } | { bug: unknown };

export function pack(error: unknown): Thrown {
  return error instanceof BouhekiError ? { failure: describeFailure(error) } : { bug: error };
}

export function unpack(thrown: Thrown): unknown {
  return 'failure' in thrown ? failureError(thrown.failure) : thrown.bug;
}
