import { judgeBlocks } from '../../../generator/readiness.ts';
import type { Checks } from './check.ts';
import { eventsOf, readData, type LogEvent } from './data.ts';

/** Where each series is cut: the share of events that is history. */
const CUTS = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8];

/** How much of the series after the cut is the truth. */
const AHEAD = 0.2;

/**
 * At many points of real logs: what share of the events that follow was never seen before, and what the estimates said.
 * A cautious estimate is at or above the truth most of the time.
 */
export function benchCalibration(checks: Checks): void {
  const linux = readData('sysflow_linux.csv.gz');
  const windows = readData('otrf_two_hosts.csv.gz');
  if (linux === undefined || windows === undefined) return;
  let [cuts, covered, error, plainCovered] = [0, 0, 0, 0];
  for (const series of seriesOf([...eventsOf(linux), ...eventsOf(windows)])) {
    for (const cut of CUTS) {
      const now = Math.floor(series.length * cut);
      const history = series.slice(0, now);
      const future = series.slice(now, Math.floor(series.length * (cut + AHEAD)));
      const seen = new Set(history.map(keyOf));
      const truth = future.filter((event) => !seen.has(keyOf(event))).length / future.length;
      const { atMost } = judgeBlocks(placesOf(history));
      cuts++;
      if (atMost >= truth) covered++;
      error += Math.abs(atMost - truth);
      if (goodTuring(history) >= truth) plainCovered++;
    }
  }
  checks.atLeast(`cautious estimate >= truth, at ${cuts} cuts`, covered / cuts, 0.75);
  console.log(
    `      mean error ${(error / cuts).toFixed(3)}; plain Good-Turing covers ${(plainCovered / cuts).toFixed(3)}`,
  );
}

/** Each host as a whole, and each of its programs with enough events to judge. */
function seriesOf(events: readonly LogEvent[]): LogEvent[][] {
  const groups = new Map<string, LogEvent[]>();
  for (const event of events) {
    const host = `${event.host} ${/^[a-z]+/.exec(event.capture)?.[0]}`;
    for (const name of [event.host, host, `${event.host} program ${event.command}`]) {
      const group = groups.get(name);
      if (group === undefined) groups.set(name, [event]);
      else group.push(event);
    }
  }
  return [...groups.values()]
    .filter((group) => group.length >= 100)
    .map((group) => group.sort((a, b) => a.time - b.time));
}

function keyOf(event: LogEvent): string {
  return `${event.container} ${event.command} ${event.user} ${event.address} ${event.port} ${event.protocol}`;
}

function placesOf(events: readonly LogEvent[]): number[][] {
  const first = events[0]!.time;
  const span = events.at(-1)!.time + 1 - first;
  const places = new Map<string, number[]>();
  for (const event of events) {
    const blocks = places.get(keyOf(event)) ?? Array.from({ length: 10 }, () => 0);
    blocks[Math.floor(((event.time - first) * 10) / span)]!++;
    places.set(keyOf(event), blocks);
  }
  return [...places.values()];
}

function goodTuring(events: readonly LogEvent[]): number {
  const counts = new Map<string, number>();
  for (const event of events) counts.set(keyOf(event), (counts.get(keyOf(event)) ?? 0) + 1);
  return [...counts.values()].filter((count) => count === 1).length / events.length;
}
