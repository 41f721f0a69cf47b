import type { Problem } from '../../policy/file/problem.ts';
import { visible } from '../../error/visible.ts';
import { jsonDocument } from '../terminal/json-document.ts';
import { formatTime } from '../../format/moment.ts';
import { formatCount, formatNumber, formatPercent } from '../../format/number.ts';
import { sumEvidence } from '../../generator/subject/evidence.ts';
import type { Generated, GenerateInput, GenerateOptions } from '../../generator/generate.ts';
import {
  describeBoxes,
  describeGrant,
  describeHoldOut,
  describeOutlook,
  describeMetadataUsers,
  describeReadiness,
} from '../../generator/header.ts';
import { describeHostHoldOut, describeShortage, unseenByOthers } from '../../generator/quorum.ts';
import type { Merged } from '../../generator/merge.ts';
import { TOLD, type Risk } from '../../generator/risk.ts';
import { describePool } from '../../generator/pool.ts';
import { destinationAddress, observedDestination } from '../../generator/destination/destination.ts';
import { isPublic } from '../../policy/value/public-address.ts';

/** Subjects listed one by one. */
export const SHOWN = 10;

/** What is said of a policy that was written: `output` is the file it went to, or `-`. */
export interface SummaryOptions {
  /** What destinations were asked to go by. */
  destinations: NonNullable<GenerateOptions['destinations']>;
  mode: 'monitor' | 'block';
  output: string;
  /** Also what the algorithms say of themselves. */
  verbose: boolean;
}

/** What is said of a policy on standard error, in plain words. `findings`: what `check` says of it, where it was asked. */
export function generateSummary(
  generated: Generated,
  input: GenerateInput,
  findings: readonly Problem[] | undefined,
  { destinations, mode, output, verbose }: SummaryOptions,
): string {
  const { metadataUsers, notes, periods, pools, reviews } = generated;
  const file = output === '-' ? 'POLICY' : output;
  const lines = [
    `Wrote ${describeSize(generated)}${output === '-' ? '' : ` to ${output}`}, ${describeWidth(generated)}${reviews > 0 ? `; ${reviews} ${reviews === 1 ? 'needs' : 'need'} your eye:` : '.'}`,
    ...cut(marksOf(generated)),
    ...(reviews > 0 ? [settling(generated, file)] : []),
    ...describeQuorum(generated, file),
    `Seen: ${describeInput(input)}.`,
    ...cut(periods),
    ...describeChanging(generated),
    ...cut(pools.map((pool) => `${describePool(pool)}.`)),
    ...(destinations === 'name' ? describeUnnamed(generated) : []),
    ...notes,
    ...(verbose ? technicalLines(generated) : []),
  ];
  if (metadataUsers.length > 0) lines.push(`Review: ${describeMetadataUsers(metadataUsers)}; allowed.`);
  lines.push(...cut(generated.omissions.map(describeOmission)));
  lines.push(...describeFindings(findings, file));
  if (mode === 'monitor') lines.push('The policy is in monitor mode: it reports and blocks nothing.');
  return `${lines.map(visible).join('\n')}\n`;
}

function describeSize({ document }: Generated): string {
  return document.flat === undefined ? formatCount(document.allow?.length ?? 0, 'rule') : 'one flat box';
}

/** What the policy allows beyond what was seen. */
function describeWidth({ document, grant }: Generated): string {
  if (document.flat !== undefined) return 'which allows combinations that were not seen';
  if (grant.allowed <= grant.observed) return 'nothing wider than seen';
  return `${formatNumber(grant.allowed)} addresses for ${formatNumber(grant.observed)} that were seen`;
}

/** The rules with a mark, and why. */
function marksOf({ document }: Generated): string[] {
  const flat = [...(document.flat?.cidr?.allow ?? []), ...(document.flat?.command?.allow ?? [])];
  const marked = flat.flatMap((entry) =>
    typeof entry === 'object' ? [`  ${entry.value}: ${entry.comment.replace('review: ', '')}`] : [],
  );
  if (document.flat !== undefined) return marked;
  return (document.allow ?? []).flatMap(({ comment, name }) => {
    const marks = [...(comment ?? '').matchAll(/^review: (.*)$/gm)].map(([, reason]) => reason);
    return marks.length === 0 ? [] : [`  ${name}: ${marks.join('; ')}`];
  });
}

/** How marks are settled. */
function settling({ document }: Generated, file: string): string {
  if (document.flat === undefined) return `  \`bouheki review ${file}\` settles them.`;
  return '  Decide on each and remove its mark by hand: `bouheki review` asks about rules alone.';
}

function describeInput({ fleet, interrupted, observations, recordings }: GenerateInput): string {
  const events = observations.reduce((sum, each) => sum + each.count, 0);
  if (fleet) return `${formatCount(events, 'event')} on ${formatCount(fleet.counted.length, 'host')}`;
  const cutShort = interrupted > 0 ? ` (${interrupted} cut short)` : '';
  return `${formatCount(events, 'event')} of ${formatCount(recordings, 'recording')}${cutShort}`;
}

/** What too few hosts of a fleet showed, with who did. */
function describeQuorum({ quorum }: Generated, file: string): string[] {
  if (quorum === undefined) return [];
  const { least, withheld } = quorum;
  const shortage = describeShortage(quorum);
  const destinations = withheld.reduce((sum, { observations }) => sum + observations.length, 0);
  const lines = withheld
    .toSorted((a, b) => b.observations.length - a.observations.length)
    .map(
      ({ hosts, observations, subject }) =>
        `  ${subject.name} on ${hosts.join(', ')}: ${formatCount(observations.length, 'destination')}`,
    );
  return [
    ...(shortage === undefined ? [] : [`${shortage}.`]),
    `Host hold-out: ${describeHostHoldOut(quorum.holdOut)}.`,
    ...(withheld.length === 0
      ? []
      : [
          `Withheld: ${formatCount(destinations, 'destination')} that fewer than ${least} hosts showed; \`bouheki review ${file}\` asks what becomes of them:`,
        ]),
    ...cut(lines),
  ];
}

/** Where names were asked for, the public addresses that rules go by all the same. */
function describeUnnamed({ demands }: Generated): string[] {
  const unnamed = demands.flatMap(({ observations, subject }) => {
    const places = observations.filter(
      (each) => each.name === undefined && each.socket === undefined && isPublic(destinationAddress(each)),
    );
    return places.length === 0 ? [] : [{ places, subject }];
  });
  if (unnamed.length === 0) return [];
  const count = unnamed.reduce((sum, { places }) => sum + places.length, 0);
  return [
    `By address, as events there had no name that their own program or container asked for: ${formatCount(count, 'public destination')}:`,
    ...cut(
      unnamed
        .toSorted((a, b) => b.places.length - a.places.length)
        .map(
          ({ places, subject }) =>
            `  ${subject.name}: ${formatCount(places.length, 'destination')}, such as ${observedDestination(places[0]!)}`,
        ),
    ),
  ];
}

/** How many subjects still do new things; nothing when all are stable. */
function describeChanging({ readiness }: Generated): string[] {
  const changing = [...readiness.values()].filter(({ state }) => state !== 'stable').length;
  if (changing === 0) return [];
  const subjects = formatCount(readiness.size, 'subject');
  return [`Not known well yet: ${changing} of ${subjects}; see \`bouheki status\`, and record for longer.`];
}

/** What the algorithms say of themselves, as the header of the policy does. */
function technicalLines({ boxes, document, grant, holdOut, outlook, readiness }: Generated): string[] {
  const destinations = (document.allow ?? []).reduce((sum, rule) => sum + (rule.to?.length ?? 0), 0);
  return [
    `Destinations: ${formatCount(destinations, 'entry', 'entries')}.`,
    ...(boxes === undefined ? [] : [`Boxes: ${describeBoxes(boxes)}.`]),
    `Over-grant: ${describeGrant(grant)}.`,
    `Hold-out: ${describeHoldOut(holdOut)}.`,
    ...cut(
      holdOut.subjects
        .toSorted((a, b) => b.denied - a.denied)
        .map(
          ({ denied, events: all, name }) =>
            `  ${formatPercent(denied / all)} of ${formatCount(all, 'event')}: ${name}`,
        ),
    ),
    `Ahead: ${describeOutlook(outlook)}.`,
    `Readiness: ${describeReadiness(readiness.values())}.`,
  ];
}

function describeOmission({ observations, reason, subject }: Generated['omissions'][number]): string {
  const { count, first, last } = sumEvidence(observations);
  const places = formatCount(observations.length, 'destination');
  const when = `${formatTime(first)} to ${formatTime(last)}`;
  return `Not allowed (${reason}): ${subject}, ${formatCount(count, 'event')} to ${places}, ${when}.`;
}

/** What is missing for a policy that `check` has nothing to say of. */
function describeFindings(findings: readonly Problem[] | undefined, file: string): string[] {
  if (findings === undefined)
    return [`Not checked, because it is large: \`bouheki check ${file}\` does that.`];
  if (findings.length === 0) return [];
  return [
    `\`bouheki check ${file}\` will say:`,
    ...cut(findings.map(({ help, message }) => `  ${message}${help === undefined ? '' : ` (${help})`}`)),
  ];
}

/** The first lines, and how many there are besides: the header of the policy and --json have them all. */
function cut(lines: readonly string[]): string[] {
  if (lines.length <= SHOWN) return [...lines];
  return [...lines.slice(0, SHOWN), `  and ${lines.length - SHOWN} more such lines`];
}

/** Subjects that are named with one risk. */
const NAMED = 3;

/** What matters most of a policy, in order of risk, in place of the policy. */
export function risksText(risks: readonly Risk[]): string {
  const shown = risks.slice(0, TOLD);
  const lines = shown.map(({ subjects, text }, at) => {
    const rest = subjects.length - NAMED;
    const names =
      subjects.slice(0, NAMED).join(', ') + (rest > 0 ? ` and ${formatCount(rest, 'more subject')}` : '');
    return `${String(at + 1).padStart(2)}. ${text}${names === '' ? '' : ` (${names})`}`;
  });
  if (risks.length === 0) lines.push('Nothing stands out.');
  if (risks.length > TOLD)
    lines.push(`    and ${risks.length - TOLD} more; the policy marks and says all of them`);
  return `${lines.map(visible).join('\n')}\n`;
}

/** The same for programs, all of it. */
export function risksJson(risks: readonly Risk[]): string {
  return jsonDocument('risks', { risks });
}

/** The same for programs, with the policy. */
export function generateJson(policy: string, generated: Generated, input: GenerateInput): string {
  const { boxes, demands, document, grant, holdOut, outlook, readiness } = generated;
  const json = {
    policy,
    rules: document.allow?.length ?? 0,
    ...(boxes && { boxes: { ...boxes, optimal: boxes.count === boxes.atLeast } }),
    grant,
    holdOut: {
      ...holdOut,
      subjects: holdOut.subjects.map(({ denied, events, name: subject }) => ({ subject, events, denied })),
    },
    outlook,
    subjects: demands.map(({ subject }) => {
      const { atMost, state, unseen } = readiness.get(subject.key)!;
      return { subject: subject.name, state, unseen, atMost };
    }),
    reviews: generated.reviews,
    ...fleetJson(generated, input),
    recordings: input.recordings,
    interrupted: input.interrupted,
    losses: input.losses,
    metadataUsers: generated.metadataUsers,
    periods: generated.periods,
    pools: generated.pools,
    omissions: generated.omissions.map(({ reason, subject, observations }) => ({
      reason,
      subject,
      destinations: observations.map(observedDestination),
      ...sumEvidence(observations),
    })),
  };
  return jsonDocument('generate', json);
}

/** Of a fleet: its hosts, and what too few of them showed. */
function fleetJson({ quorum }: Generated, { fleet }: GenerateInput): object {
  if (quorum === undefined || fleet === undefined) return {};
  const { holdOut, least, withheld } = quorum;
  return {
    fleet: {
      workload: fleet.workload,
      hosts: fleet.counted.length,
      uncounted: fleet.uncounted,
      minHosts: least,
      hostHoldOut: unseenByOthers(holdOut),
      withheld: withheld.map(({ hosts, observations, subject }) => ({
        subject: subject.name,
        hosts,
        destinations: observations.map(observedDestination),
      })),
    },
  };
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
    policy: text,
    added,
    leftOut: kept.map(({ demand, observations }) => ({
      subject: demand.subject.name,
      destinations: observations.map(observedDestination),
    })),
  };
  return jsonDocument('merge', json);
}
