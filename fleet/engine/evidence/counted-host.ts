import type { AggregateHosts, UncountedReason } from '../../wire/message.ts';
import { weekOf } from '../../wire/week.ts';
import type { Primary } from '../connection/primary.ts';
import { hoursWithin } from './hour-set.ts';

/** Of the events of a host: one that lost more may have done anything. */
const MOST_LOST = 0.01;

/** What a host claims may add up to more than a number can hold. */
export const MOST_COUNT = Number.MAX_SAFE_INTEGER;

/** Microseconds since the epoch; the end is not included. */
export interface EvidenceWindow {
  since: number;
  until: number;
  leastRecordedHours: number;
}

/** The hosts that count, with their numbers in the engine, and those that do not. */
export interface CountedHosts extends AggregateHosts {
  numbers: number[];
}

/** Which hours of which weeks a window has, as arrays of the same length. */
export interface WindowHours {
  weeks: number[];
  masks: [bigint[], bigint[], bigint[]];
}

/** Of the weeks of which evidence is kept at all. */
export function windowHours({ since, until }: EvidenceWindow, oldestWeek: number): WindowHours {
  const hours: WindowHours = { weeks: [], masks: [[], [], []] };
  for (let week = Math.max(weekOf(since), oldestWeek); week <= weekOf(until - 1); week++) {
    hours.weeks.push(week);
    hoursWithin(week, since, until).forEach((mask, at) => hours.masks[at]!.push(mask));
  }
  return hours;
}

interface HostLine {
  id: string;
  number: number;
  name: string;
  labels: Record<string, string>;
  state: string;
  clone: boolean;
  recorded: number;
  lost: number;
}

/**
 * n of k of n: hosts of the workload that are active, no suspected clone, recorded long enough within the window, and lost
 * at most 1 % of their events there. By name.
 */
export async function countedHosts(
  primary: Primary,
  workload: string,
  window: EvidenceWindow,
  { weeks, masks }: WindowHours,
): Promise<CountedHosts> {
  return primary.use(async (client) => {
    const { rows } = await client.query<HostLine>(
      `SELECT h.id, h.number, h.name, h.labels, h.state, h.clone, coalesce(w.recorded, 0) AS recorded, coalesce(w.lost, 0) AS lost
       FROM host h LEFT JOIN (
         SELECT host, sum(bit_count((recorded_0 & m.m0)::bit(64)) + bit_count((recorded_1 & m.m1)::bit(64))
                          + bit_count((recorded_2 & m.m2)::bit(64)))::bigint AS recorded, least(sum(lost), ${MOST_COUNT})::bigint AS lost
         FROM host_week JOIN unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[]) AS m (week, m0, m1, m2) USING (week)
         GROUP BY host) w ON w.host = h.number
       WHERE h.workload = $1 ORDER BY h.name, h.id`,
      [workload, weeks, ...masks.map((all) => all.map(String))],
    );
    const lossy = rows.filter(({ lost }) => lost > 0).map(({ number }) => number);
    const { rows: sums } =
      lossy.length === 0
        ? { rows: [] }
        : await client.query<{ host: number; events: number }>(
            `SELECT host, least(sum(count), ${MOST_COUNT})::bigint AS events FROM evidence WHERE week = ANY($1::int[]) AND host = ANY($2::int[])
             GROUP BY host`,
            [weeks, lossy],
          );
    const events = new Map(sums.map(({ host, events }) => [host, events]));
    const all: CountedHosts = { counted: [], uncounted: [], numbers: [] };
    for (const host of rows) {
      const { id, name, labels, recorded, number } = host;
      const reason = reasonOf(host, window.leastRecordedHours, events.get(number) ?? 0);
      if (reason !== undefined) all.uncounted.push({ id, name, reason });
      else {
        all.counted.push({ id, name, labels, recordedHours: recorded });
        all.numbers.push(number);
      }
    }
    return all;
  });
}

function reasonOf(host: HostLine, leastHours: number, events: number): UncountedReason | undefined {
  if (host.state === 'quarantined' || host.state === 'revoked') return host.state;
  if (host.clone) return 'clone';
  if (host.recorded < leastHours) return 'hours';
  return host.lost > MOST_LOST * (events + host.lost) ? 'losses' : undefined;
}
