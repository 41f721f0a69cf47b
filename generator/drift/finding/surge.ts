import { formatCount, formatDecimal, formatNumber } from '../../../format/number.ts';
import { HOUR } from '../../../profiler/read/stretch.ts';
import type { Allowed } from '../drift.ts';
import { endpoint, entryOf, type Party } from '../entry.ts';
import type { Finding } from './finding.ts';
import type { WatchedTime } from './silence.ts';

/** Standard deviations above what was to be expected. */
const FAR = 6;
/** Times what was to be expected. */
const MANY_TIMES = 4;
/** Events that are no surge, whatever the past. */
const FEW = 20;

/** How much of a subject's traffic came before and after a time. */
interface Volume {
  party: Party;
  before: { count: number; hours: number };
  after: { count: number; first: number; last: number };
  /** The one with most events after it. */
  most: Allowed;
}

/**
 * Subjects that make far more allowed connections after `since` than they did before.
 *
 * The count of a subject is taken for a Pólya-Aeppli variable: bursts that come as a Poisson process, each of a geometric
 * number of events with the mean m, the events of an active hour so far (Johnson, Kemp, Kotz, Univariate Discrete
 * Distributions, 3rd edition, section 9.7). From n0 events in T0 it expects mu = n0 * T1 / T0 in T1, with the variance
 * (2m - 1) * mu * (1 + T1 / T0), of which the second part is that n0 is itself a sample. A surge is six standard
 * deviations above mu and four times mu, of twenty events or more. Traffic that comes evenly is bursty by that measure
 * too, which errs on the side of silence.
 */
export function surges(
  past: readonly Allowed[],
  now: readonly Allowed[],
  { since, watched }: { since: number; watched: WatchedTime },
): Finding[] {
  const [before, after] = [watched.between(watched.start, since), watched.between(since, watched.end)];
  if (before === 0 || after === 0) return [];
  return volumesOf(past, now).flatMap((volume) => {
    const { count, hours } = volume.before;
    const expected = (count * after) / before;
    const variance = ((2 * count) / hours - 1) * expected * (1 + after / before);
    const far = Math.max(expected * MANY_TIMES, expected + FAR * Math.sqrt(variance), FEW);
    if (count === 0 || volume.after.count < far) return [];
    return [findingOf(volume, { before, after, expected })];
  });
}

function findingOf(
  { after: now, before: past, most, party }: Volume,
  { after, before, expected }: { after: number; before: number; expected: number },
): Finding {
  const entry = entryOf(most.observation, party, {});
  return {
    kind: 'surge',
    severity: 'medium',
    key: JSON.stringify(['surge', party.key]),
    subject: party.name,
    destination: `most to ${endpoint(entry)}`,
    count: now.count,
    first: now.first,
    last: now.last,
    evidence: [
      `${formatCount(now.count, 'event')}, where about ${formatNumber(Math.round(expected))} were to be expected`,
      `${rateText(now.count, after)}, before ${rateText(past.count, before)}`,
    ],
    suggestion: 'look at what the program does: the policy allows each of these connections',
    entries: [],
  };
}

/** `84.3 an hour`; the time in microseconds. */
function rateText(count: number, time: number): string {
  return `${formatDecimal((count * HOUR) / time, 1)} an hour`;
}

function volumesOf(past: readonly Allowed[], now: readonly Allowed[]): Volume[] {
  const volumes = new Map<string, Volume>();
  for (const each of now) {
    const { count, first, last } = each.observation;
    const volume = volumes.get(each.party.key);
    if (volume === undefined) {
      volumes.set(each.party.key, {
        party: each.party,
        before: { count: 0, hours: 1 },
        after: { count, first, last },
        most: each,
      });
      continue;
    }
    if (count > volume.most.observation.count) volume.most = each;
    volume.after.count += count;
    volume.after.first = Math.min(volume.after.first, first);
    volume.after.last = Math.max(volume.after.last, last);
  }
  for (const { observation, party } of past) {
    const before = volumes.get(party.key)?.before;
    if (before === undefined) continue;
    before.count += observation.count;
    before.hours = Math.max(before.hours, observation.hours);
  }
  return [...volumes.values()];
}
