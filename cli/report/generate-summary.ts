import { printJson, visible } from '../../error/visible.ts';
import { formatTime } from '../../format/moment.ts';
import { formatCount, formatPercent } from '../../format/number.ts';
import { sumEvidence } from '../../generator/subject/evidence.ts';
import type { Generated, GenerateInput } from '../../generator/generate.ts';
import {
  describeBoxes,
  describeGrant,
  describeHoldOut,
  describeMetadataUsers,
  describeReadiness,
} from '../../generator/header.ts';
import type { Merged } from '../../generator/merge.ts';
import { observedDestination } from '../../generator/subject/oddity.ts';

/** Subjects listed one by one. */
export const SHOWN = 10;

/** What is said of a policy on standard error. `where` is the file it went to, or `-`. */
export function generateSummary(
  generated: Generated,
  input: GenerateInput,
  { mode, output }: { mode: 'monitor' | 'block'; output: string },
): string {
  const { boxes, document, grant, holdOut, metadataUsers, notes, omissions, periods, readiness, reviews } =
    generated;
  const rules = document.allow ?? [];
  const destinations = rules.reduce((sum, rule) => sum + (rule.to?.length ?? 0), 0);
  const events = input.observations.reduce((sum, each) => sum + each.count, 0);
  const where = output === '-' ? '' : ` to ${output}`;
  const what =
    document.flat === undefined
      ? `${formatCount(rules.length, 'rule')} with ${formatCount(destinations, 'destination entry', 'destination entries')}`
      : 'one flat box';
  const lines = [
    `Wrote ${what}${where}, from ${formatCount(events, 'event')} of ${formatCount(input.recordings, 'recording')}${input.interrupted > 0 ? ` (${input.interrupted} cut short)` : ''}.`,
    ...cut(periods),
    ...(boxes === undefined ? [] : [`Boxes: ${describeBoxes(boxes)}.`]),
    `Over-grant: ${describeGrant(grant)}.`,
    ...notes,
    `Hold-out: ${describeHoldOut(holdOut)}.`,
    ...cut(
      holdOut.subjects
        .toSorted((a, b) => b.denied - a.denied)
        .map(
          ({ denied, events: all, name }) =>
            `  ${formatPercent(denied / all)} of ${formatCount(all, 'event')}: ${name}`,
        ),
    ),
    `Readiness: ${describeReadiness(readiness.values())}.`,
  ];
  if (reviews > 0) {
    const file = output === '-' ? 'POLICY' : output;
    lines.push(
      `Review: ${formatCount(reviews, 'rule')} marked "review:" in the policy; \`bouheki review ${file}\` settles them.`,
    );
  }
  if (metadataUsers.length > 0) lines.push(`Review: ${describeMetadataUsers(metadataUsers)}; allowed.`);
  const omitted = omissions.map(({ reason, subject, observations }) => {
    const { count, first, last } = sumEvidence(observations);
    const places = formatCount(observations.length, 'destination');
    const when = `${formatTime(first)} to ${formatTime(last)}`;
    return `Not allowed (${reason}): ${subject}, ${formatCount(count, 'event')} to ${places}, ${when}.`;
  });
  lines.push(...cut(omitted));
  if (mode === 'monitor') lines.push('The policy is in monitor mode: it reports and blocks nothing.');
  return `${lines.map(visible).join('\n')}\n`;
}

/** The first lines, and how many there are besides: the header of the policy and --json have them all. */
function cut(lines: readonly string[]): string[] {
  if (lines.length <= SHOWN) return [...lines];
  return [...lines.slice(0, SHOWN), `  and ${lines.length - SHOWN} more such lines`];
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
    periods: generated.periods,
    omissions: generated.omissions.map(({ reason, subject, observations }) => ({
      reason,
      subject,
      destinations: observations.length,
      ...sumEvidence(observations),
    })),
  };
  return `${printJson(json, 2)}\n`;
}

/**
 * What a merge with `file` leaves out, for standard error: most destinations first; empty when it leaves
 * nothing out.
 */
export function mergeSummary({ kept }: Merged, file: string): string {
  const lines = kept
    .toSorted((a, b) => b.observations.length - a.observations.length)
    .map(
      ({ demand, observations }) =>
        `Left out, as ${file} does: ${demand.subject.name}, ${formatCount(observations.length, 'destination')}.`,
    );
  const more = formatCount(Math.max(0, lines.length - SHOWN), 'more subject');
  if (lines.length > SHOWN) lines.splice(SHOWN, lines.length, `Left out for ${more}; --json lists them all.`);
  return lines.map((line) => `${visible(line)}\n`).join('');
}

/** A merge for programs. */
export function mergeJson({ added, kept, text }: Merged): string {
  const json = {
    schema: 'bouheki.merge/v1',
    policy: text,
    added,
    leftOut: kept.map(({ demand, observations }) => ({
      subject: demand.subject.name,
      destinations: observations.map(observedDestination),
    })),
  };
  return `${printJson(json, 2)}\n`;
}
