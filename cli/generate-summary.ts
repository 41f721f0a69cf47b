import { formatCount, formatTime, sumEvidence } from '../generator/evidence.ts';
import type { Generated, GenerateInput } from '../generator/generate.ts';
import {
  describeBoxes,
  describeGrant,
  describeHoldOut,
  describeReadiness,
  percent,
} from '../generator/header.ts';
import type { Merged } from '../generator/merge.ts';
import { placeOf } from '../generator/oddity.ts';
import { printable } from './table.ts';

/** Subjects listed one by one. */
const SHOWN = 10;

/** What is said of a policy on standard error. `where` is the file it went to, or `-`. */
export function generateSummary(
  generated: Generated,
  input: GenerateInput,
  { mode, output }: { mode: 'monitor' | 'block'; output: string },
): string {
  const { boxes, document, grant, holdOut, metadataUsers, notes, omissions, readiness, reviews } = generated;
  const rules = document.allow ?? [];
  const destinations = rules.reduce((sum, rule) => sum + (rule.to?.length ?? 0), 0);
  const events = input.observations.reduce((sum, each) => sum + each.count, 0);
  const where = output === '-' ? '' : ` to ${output}`;
  const what =
    document.flat === undefined
      ? `${formatCount(rules.length, 'rule')} with ${formatCount(destinations, 'destination entry', 'destination entries')}`
      : 'one flat box';
  const lines = [
    `Wrote ${what}${where}, from ${formatCount(events, 'event')} of ${formatCount(input.recordings, 'recording')}.`,
    ...(boxes === undefined ? [] : [`Boxes: ${describeBoxes(boxes)}.`]),
    `Over-grant: ${describeGrant(grant)}.`,
    ...notes,
    `Hold-out: ${describeHoldOut(holdOut)}.`,
    ...holdOut.subjects
      .toSorted((a, b) => b.denied - a.denied)
      .slice(0, SHOWN)
      .map(
        ({ denied, events: all, name }) =>
          `  ${name}: ${percent(denied / all)} of ${formatCount(all, 'event')}`,
      ),
    `Readiness: ${describeReadiness(readiness.values())}.`,
  ];
  if (reviews > 0) lines.push(`Review: ${formatCount(reviews, 'rule')} marked "review:" in the policy.`);
  for (const subject of metadataUsers) {
    lines.push(
      `Review: ${subject} was seen at a cloud metadata address, which hands out credentials; it is allowed.`,
    );
  }
  for (const { reason, subject, observations } of omissions) {
    const { count, first, last } = sumEvidence(observations);
    lines.push(
      `Not allowed (${reason}): ${subject}, ${formatCount(count, 'event')} to ` +
        `${formatCount(observations.length, 'destination')}, ${formatTime(first)} to ${formatTime(last)}.`,
    );
  }
  if (mode === 'monitor') lines.push('The policy is in monitor mode: it reports and blocks nothing.');
  return `${lines.map(printable).join('\n')}\n`;
}

/** The same for programs, with the policy. */
export function generateJson(policy: string, generated: Generated, input: GenerateInput): string {
  const { boxes, demands, document, grant, holdOut, readiness } = generated;
  const json = {
    schema: 'bouheki.generate/v1',
    policy,
    rules: document.allow?.length ?? 0,
    ...(boxes && { boxes: { ...boxes, optimal: boxes.count === boxes.atLeast } }),
    grant,
    holdOut,
    subjects: demands.map(({ subject }) => {
      const { atMost, state, unseen } = readiness.get(subject.key)!;
      return { subject: subject.name, state, unseen, atMost };
    }),
    reviews: generated.reviews,
    recordings: input.recordings,
    interrupted: input.interrupted,
    losses: input.losses,
    metadataUsers: generated.metadataUsers,
    omissions: generated.omissions.map(({ reason, subject, observations }) => ({
      reason,
      subject,
      destinations: observations.length,
      ...sumEvidence(observations),
    })),
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}

/** What a merge with `file` leaves out, for standard error: most destinations first; empty when it leaves nothing out. */
export function mergeSummary({ kept }: Merged, file: string): string {
  const lines = kept
    .toSorted((a, b) => b.observations.length - a.observations.length)
    .map(
      ({ demand, observations }) =>
        `Left out, as ${file} does: ${demand.subject.name}, ${formatCount(observations.length, 'destination')}.`,
    );
  const more = formatCount(Math.max(0, lines.length - SHOWN), 'more subject');
  if (lines.length > SHOWN) lines.splice(SHOWN, lines.length, `Left out for ${more}; --json lists them all.`);
  return lines.map((line) => `${printable(line)}\n`).join('');
}

/** A merge for programs. */
export function mergeJson({ added, kept, text }: Merged): string {
  const json = {
    schema: 'bouheki.merge/v1',
    policy: text,
    added,
    leftOut: kept.map(({ demand, observations }) => ({
      subject: demand.subject.name,
      destinations: observations.map(placeOf),
    })),
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}
