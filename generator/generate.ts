import { BouhekiError } from '../error/error.ts';
import { formatPrefix, type Prefix } from '../policy/cidr.ts';
import { destinationText, type PolicyDocument, type RuleDocument } from '../policy/document.ts';
import type { Mode, Target } from '../policy/policy.ts';
import { mergePrefixes } from '../policy/prefix-set.ts';
import type { Activity, Loss, RecordedObservation } from '../profiler/read.ts';
import { coverDestinations } from './destinations.ts';
import { formatCount, formatTime, sumEvidence } from './evidence.ts';
import { destinationAddress } from './flow.ts';
import { describeLosses, headerLines } from './header.ts';
import { selectObservations, type Demand, type Omission } from './select.ts';
import { ruleSubject } from './subject.ts';

/** The record to explain. */
export interface GenerateInput {
  observations: readonly RecordedObservation[];
  /** When the subjects were active, for the hours in each rule's evidence. */
  activity: readonly Activity[];
  losses: readonly Loss[];
  /** Number of recordings that overlap the window, and how many of them were cut short. */
  recordings: number;
  interrupted: number;
}

export interface GenerateOptions {
  mode: Mode;
  target: Target;
  /** Addresses to deny whatever was observed. */
  deny: readonly Prefix[];
  allowLoss: boolean;
  includeDenied: boolean;
  /** Version of bouheki, for the header. */
  version: string;
}

export interface Generated {
  document: PolicyDocument;
  /** Observations that the policy does not allow, by reason and subject. */
  omissions: Omission[];
  /** Subjects that were seen at cloud metadata addresses and keep their access. */
  metadataUsers: string[];
}

/**
 * The policy that allows the observations of each subject, and nothing else to the same subject. It depends on what was
 * observed, not on the order of the lists. Throws BouhekiError: `loss` when the record is known to be incomplete and
 * that was not accepted, `no-data` when there is nothing to allow.
 */
export function generatePolicy(input: GenerateInput, options: GenerateOptions): Generated {
  if (input.losses.length > 0 && !options.allowLoss) {
    throw new BouhekiError('loss', `the record lacks events: ${describeLosses(input.losses)}`, {
      remedy: 'Record again, or accept a policy that may deny what was lost with --allow-loss.',
    });
  }
  const { demands, metadata, metadataUsers, omissions } = selectObservations(input.observations, options);
  if (demands.length === 0) throw nothingToAllow(omissions, options.target);

  const hours = hoursBySubject(input.activity);
  const header = headerLines({
    version: options.version,
    evidence: sumEvidence(demands.flatMap((demand) => demand.observations)),
    recordings: input.recordings,
    interrupted: input.interrupted,
    losses: input.losses,
    omissions,
    metadataUsers,
  });
  const document: PolicyDocument = {
    header: header.join('\n'),
    mode: options.mode,
    target: options.target,
    allow: demands.map((demand) => allowRule(demand, hours.get(demand.subject.key)?.size)),
  };
  const deny = [...denyRule('cloud metadata', metadata), ...denyRule('denied by --deny', options.deny)];
  if (deny.length > 0) document.deny = deny;
  return { document, omissions, metadataUsers };
}

function allowRule({ subject, observations }: Demand, hours: number | undefined): RuleDocument {
  const { count, first, last } = sumEvidence(observations);
  const spread = hours === undefined ? '' : ` in ${formatCount(hours, 'hour')}`;
  const destinations = observations.map((each) => ({
    address: destinationAddress(each),
    port: each.port,
    protocol: each.protocol,
  }));
  return {
    comment: `${formatCount(count, 'event')}${spread}, ${formatTime(first)} to ${formatTime(last)}`,
    name: subject.name,
    from: subject.from,
    to: coverDestinations(destinations).map(destinationText),
  };
}

function denyRule(name: string, prefixes: readonly Prefix[]): RuleDocument[] {
  if (prefixes.length === 0) return [];
  return [{ name, to: [{ cidr: mergePrefixes(prefixes).map(formatPrefix) }] }];
}

function hoursBySubject(activity: readonly Activity[]): Map<string, Set<number>> {
  const hours = new Map<string, Set<number>>();
  for (const { subject, hours: active } of activity) {
    const key = ruleSubject(subject)?.key;
    if (key === undefined) continue;
    const known = hours.get(key) ?? new Set();
    hours.set(key, known);
    for (const hour of active) known.add(hour);
  }
  return hours;
}

function nothingToAllow(omissions: readonly Omission[], target: Target): BouhekiError {
  if (omissions.length > 0) {
    const reasons = [...new Set(omissions.map((omission) => omission.reason))].join(', ');
    return new BouhekiError('no-data', `every observation was left out: ${reasons}`, {
      remedy: 'A policy without a rule would deny everything; see --include-denied and --deny.',
    });
  }
  const where = target === 'container' ? ' of containers' : '';
  return new BouhekiError('no-data', `no connections${where} were recorded in this window`, {
    remedy: 'Record with `bouheki learn`, or widen --since and --until.',
  });
}
