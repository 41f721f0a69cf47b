import { eventsOf } from '../../generator/drift/entry.ts';
import { WatchedTime } from '../../generator/drift/finding/silence.ts';
import { sumEvidence } from '../../generator/subject/evidence.ts';
import { isJudged } from '../../policy/meaning/evaluate.ts';
import { endsOf } from '../../policy/meaning/end.ts';
import { namesHosts } from '../../policy/meaning/known-name.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import type { Accounts } from '../../profiler/read/observation.ts';
import {
  openReader,
  type Loss,
  type RecordedObservation,
  type Reader,
  type RecordingSummary,
} from '../../profiler/read/read.ts';
import { judgedHost, onHost, rulesElsewhere } from '../option/fleet-host.ts';
import { windowOf, type RecordOptions } from '../option/record-option.ts';

/** What of a record a report is made of. */
export interface Evidence {
  observations: RecordedObservation[];
  /** What was recorded before the window. */
  past: RecordedObservation[];
  watched: WatchedTime;
  accounts: Accounts;
  /** Events of denied UDP connects that sent nothing and were not asked for. */
  hidden: number;
  losses: Loss[];
  /** Rules that are for other hosts alone, by their names. Absent: none, or evidence is of all hosts. */
  elsewhere?: ReadonlySet<string>;
}

/** What of a record is asked for. */
interface EvidenceOptions extends RecordOptions {
  intents: boolean;
  /** The host of a fleet that the record is of; absent: this one. */
  host?: string[];
}

/**
 * Reads the window of the options, with UDP connects that sent nothing where `intents` says so; with `watch` a copy, so
 * that a recorder can start beside it.
 */
export async function readEvidence(
  policy: Policy,
  options: EvidenceOptions & { watch?: boolean },
): Promise<Evidence> {
  const reader = await openReader(options.db, 'read', options.watch === true);
  try {
    return await evidenceIn(reader, policy, options);
  } finally {
    reader.close();
  }
}

/** The same of a record that is open. */
export async function evidenceIn(
  reader: Reader,
  policy: Policy,
  options: EvidenceOptions,
): Promise<Evidence> {
  const window = windowOf(options);
  // What was denied outside containers is told of too where the policy judges containers alone.
  const wanted = { intents: options.intents, byNames: namesHosts(policy), ends: endsOf(policy) };
  const ofPolicy = ({ subject, verdict }: RecordedObservation): boolean =>
    verdict === 'deny' || isJudged(policy, subject);
  const observations = (await reader.observations({ ...window, ...wanted })).filter(ofPolicy);
  const before =
    options.since === undefined ? [] : await reader.observations({ until: options.since, ...wanted });
  const past = before.filter(ofPolicy);
  const host = judgedHost(options.host);
  const denied = await reader.observations({ ...window, intents: true, verdict: 'deny' });
  const shown = observations.filter((each) => each.verdict === 'deny');
  return {
    observations: onHost(policy, observations, host),
    past: onHost(policy, past, host),
    elsewhere: rulesElsewhere(policy, host),
    watched: watchedTime(await reader.recordings(), [...past, ...observations], options.until),
    accounts: await reader.accounts(),
    hidden: eventsOf(denied) - eventsOf(shown),
    losses: await reader.losses(window),
  };
}

/**
 * The time in which anything would have been recorded. What was imported says nothing of when it was: its own first and
 * last events stand for that.
 */
function watchedTime(
  recordings: readonly RecordingSummary[],
  observations: readonly RecordedObservation[],
  until = Infinity,
): WatchedTime {
  const spans = recordings
    .filter(({ backend }) => backend !== 'import')
    .map(({ endedAt, startedAt }) => ({ start: startedAt, end: endedAt }));
  if (spans.length < recordings.length && observations.length > 0) {
    const { first, last } = sumEvidence(observations);
    spans.push({ start: first, end: last });
  }
  return new WatchedTime(spans.map(({ end, start }) => ({ start, end: Math.min(end, until) })));
}
