import { generatePolicy } from '../../../../generator/generate.ts';
import { mergeWithBase } from '../../../../generator/merge.ts';
import { prepareRecord } from '../../../../generator/review/review.ts';
import { ReviewSession } from '../../../../generator/review/review-session.ts';
import { sumEvidence } from '../../../../generator/subject/evidence.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';
import { input, observed, OPTIONS, policyOf, START } from '../fixture.ts';

export const HOUR = 3_600_000_000;

/** A review of a policy by a record. */
export function sessionOf(text: string, record: readonly RecordedObservation[]): ReviewSession {
  return new ReviewSession({ text, policy: policyOf(text), record: prepareRecord(record) });
}

/** A policy with what a record adds to it, as `generate --base` writes it. */
export function merged(text: string, record: readonly RecordedObservation[]): string {
  const { demands } = generatePolicy(input(record), OPTIONS);
  const evidence = sumEvidence(demands.flatMap(({ observations }) => observations));
  return mergeWithBase({ text, policy: policyOf(text) }, demands, evidence).text;
}

/** curl goes to two hosts all the time, and went once to two others on two ports. */
export const steady = [1, 2].map((low) =>
  observed({ address: 0xcb007100n + BigInt(low), count: 50, last: START + HOUR }),
);
export const odd = [5, 6].flatMap((low) =>
  [22, 443].map((port) => observed({ address: 0xcb007100n + BigInt(low), port })),
);
export const RECORD = [...steady, ...odd];
