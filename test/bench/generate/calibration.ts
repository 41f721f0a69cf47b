import { cautiousEstimates, judgeBlocks } from '../../../generator/readiness.ts';
import type { Checks } from './check.ts';
import { eventsOf, readData, type LogEvent } from './data.ts';

/** Where each series is cut: the share of events that is history. */
const CUTS = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8];

/** How much of the series after the cut is the truth. */
const AHEAD = 0.2;

/** Rules that make a cautious estimate of a history: the one in use, and what it was compared with. */
const RULES: Readonly<Record<string, (history: readonly LogEvent[]) => number>> = {
  'in use: now, or the mean of the last three tenths': (history) => judgeBlocks(placesOf(history)).atMost,
  'now alone': (history) => cautiousEstimates(placesOf(history))[0]!,
  'the worst of the last three tenths': (history) => Math.max(...cautiousEstimates(placesOf(history))),
  'plain Good-Turing': goodTuring,
};

/**
 * At many points of real logs: what share of the events that follow was never seen before, and what the estimates said.
 * A cautious estimate is at or above the truth most of the time. The data sets apart show what holds for one only.
 */
export function benchCalibration(checks: Checks): void {
  const linux = readData('sysflow_linux.csv.gz');
  const windows = readData('otrf_two_hosts.csv.gz');
  if (linux === undefined || windows === undefined) return;
  const sets = { sysflow_linux: cutsOf(eventsOf(linux)), otrf_two_hosts: cutsOf(eventsOf(windows)) };
  const all = Object.values(sets).flat();
  const [inUse] = Object.values(RULES);
  checks.atLeast(`cautious estimate >= truth, at ${all.length} cuts`, score(all, inUse!).covered, 0.75);
  for (const [name, rule] of Object.entries(RULES)) {
    const figures = Object.entries({ all, ...sets }).map(([set, cuts]) => {
      const { covered, error } = score(cuts, rule);
      return `${set} ${covered.toFixed(3)} (${error.toFixed(3)})`;
    });
    console.log(`      ${name}: covers (mean error) ${figures.join(', ')}`);
  }
}

/** A history and the share of the events after it that are not foretold by it. */
interface Cut {
  history: LogEvent[];
  truth: number;
}

function cutsOf(events: readonly LogEvent[]): Cut[] {
  return seriesOf(events).flatMap((series) =>
    CUTS.map((cut) => {
      const now = Math.floor(series.length * cut);
      const history = series.slice(0, now);
      const future = series.slice(now, Math.floor(series.length * (cut + AHEAD)));
      const seen = new Set(history.map(keyOf));
      const unseen = future.filter((event) => !seen.has(keyOf(event))).length;
      return { history, truth: unseen / future.length };
    }),
  );
}

function score(
  cuts: readonly Cut[],
  rule: (history: readonly LogEvent[]) => number,
): { covered: number; error: number } {
  const guesses = cuts.map(({ history, truth }) => ({ guess: rule(history), truth }));
  return {
    covered: guesses.filter(({ guess, truth }) => guess >= truth).length / cuts.length,
    error: guesses.reduce((sum, { guess, truth }) => sum + Math.abs(guess - truth), 0) / cuts.length,
  };
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
