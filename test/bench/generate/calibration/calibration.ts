import {
  cautiousEstimate,
  inOnePart,
  judgeBlocks,
  LEAST_SPAN,
  unforeseen,
  worstEstimate,
} from '../../../../generator/readiness.ts';
import type { Checks } from '../check.ts';
import { eventsOf, readData } from '../data.ts';
import { readNamedEvents } from '../named-events.ts';
import { type Axis, type Cut, cutsOf, placesOf, type SeriesEvent, spanOf, subjectCutsOf } from './cut.ts';
import { madeSeries } from './made-series.ts';

type Places = readonly (readonly number[])[];

const COPIES = 5;

const NAMED = ['named_rita_home', 'named_proxifier_oct', 'named_otrf_mkt01', 'named_otrf_ws5'];

/** Rules that make a cautious estimate: the one in use, and what it was compared with. */
const RULES: readonly [string, Axis, (places: Places) => number][] = [
  ['in use', 'events', cautiousEstimate],
  ['the same', 'recorded time', cautiousEstimate],
  ['the same', 'time', cautiousEstimate],
  ['the rule before', 'time', before],
  ['the rule before', 'recorded time', before],
  ['the rule before', 'events', before],
  ['the worst behind the fifth to eighth tenth', 'events', worstEstimate],
  ['the last fifth alone', 'events', (places) => unforeseen(places, 8) ?? 1],
  ['the last fifth alone', 'time', (places) => unforeseen(places, 8) ?? 1],
  ['events of one tenth alone (Good-Turing)', 'events', goodTuring],
];

/**
 * At many points of real logs and of made ones: what share of the events that follow was never seen before, and what
 * the estimates said. A cautious estimate is at or above the truth most of the time, and not far from it.
 */
export function benchCalibration(checks: Checks): void {
  const real = realSeries();
  const made = madeSeries(COPIES);
  const sets = {
    'real records': real.flatMap(([, events]) => cutsOf(events)),
    'made records': made.flatMap(([, events]) => cutsOf(events)),
    'real subjects': real.flatMap(([, events]) => subjectCutsOf(events)),
    'made subjects': made.flatMap(([, events]) => subjectCutsOf(events)),
  };
  const all = Object.values(sets).flat();
  const table = Object.entries({ all, ...sets }).filter(([, cuts]) => cuts.length > 0);
  console.log(
    `      what comes next, at ${all.length} cuts: covers (mean error), and wrong of those at most 1 %`,
  );
  for (const [name, axis, rule] of RULES) {
    const figures = table.map(([set, cuts]) => {
      const { covered, error } = score(cuts, axis, rule);
      return `${set} ${covered.toFixed(2)} (${error.toFixed(2)})`;
    });
    const { called, wrong } = stable(all, axis, rule);
    console.log(`      ${name}, by ${axis}: ${figures.join(', ')}; ${wrong} of ${called}`);
  }
  const [, axis, rule] = RULES[0]!;
  const { covered, error } = score(all, axis, rule);
  checks.atLeast(`cautious estimate >= truth, at ${all.length} cuts`, covered, 0.8);
  checks.atMost('mean error of it', 100 * error, 16, '%');
  const { called, wrong } = stable(all, axis, worstEstimate);
  checks.atMost(`wrong of ${called} called stable`, (100 * wrong) / called, 10, '%');
  checks.holds('21 minutes are never stable', all.every(isNoShortOne));
  for (const set of ['real records', 'made records'] as const) {
    const fresh = freshScore(sets[set]);
    console.log(
      `      share of new subjects, ${set}: ${fresh.covered.toFixed(2)} (${fresh.error.toFixed(2)})`,
    );
  }
}

/** The data sets with processes or clients; none where they are not beside the repository. */
function realSeries(): [string, SeriesEvent[]][] {
  const logs = ['sysflow_linux', 'otrf_two_hosts'].flatMap((name): [string, SeriesEvent[]][] => {
    const text = readData(`${name}.csv.gz`);
    if (text === undefined) return [];
    const events = eventsOf(text).map((event) => {
      const subject = `${event.host} ${event.container} ${event.command} ${event.user}`;
      const key = `${subject} ${event.addressText} ${event.port} ${event.protocol}`;
      return { time: event.time / 1e6, subject, key };
    });
    return [[name, events]];
  });
  const named = NAMED.flatMap((name): [string, SeriesEvent[]][] => {
    const text = readData(`${name}.csv.gz`);
    if (text === undefined) return [];
    const events = readNamedEvents(text).map(({ address, first, port, protocol, subject: who }) => {
      const subject = `${who.container ?? ''} ${who.command} ${who.uid}`;
      return { time: first / 1e6, subject, key: `${subject} ${address} ${port} ${protocol}` };
    });
    return [[name, events]];
  });
  return [...logs, ...named];
}

function score(
  cuts: readonly Cut[],
  axis: Axis,
  rule: (places: Places) => number,
): { covered: number; error: number } {
  return scoreOf(cuts.map((cut) => ({ guess: rule(placesOf(cut, axis)), truth: cut.truth })));
}

/** How well the share of events of subjects that are not in a record is known. */
function freshScore(cuts: readonly Cut[]): { covered: number; error: number } {
  return scoreOf(
    cuts.map((cut) => ({
      guess: cautiousEstimate(placesOf(cut, 'events', 'subject')),
      truth: cut.truthOfNew,
    })),
  );
}

function scoreOf(guesses: readonly { guess: number; truth: number }[]): { covered: number; error: number } {
  return {
    covered: guesses.filter(({ guess, truth }) => guess >= truth).length / guesses.length,
    error: guesses.reduce((sum, { guess, truth }) => sum + Math.abs(guess - truth), 0) / guesses.length,
  };
}

/** How many are called stable, and of how many of these more than a hundredth of what follows is new. */
function stable(
  cuts: readonly Cut[],
  axis: Axis,
  rule: (places: Places) => number,
): { called: number; wrong: number } {
  const called = cuts.filter((cut) => rule(placesOf(cut, axis)) <= 0.01 && spanOf(cut) >= LEAST_SPAN);
  return { called: called.length, wrong: called.filter(({ truth }) => truth > 0.01).length };
}

function isNoShortOne(cut: Cut): boolean {
  const span = { seconds: 21 * 60, atLeast: LEAST_SPAN };
  return judgeBlocks(placesOf(cut, 'events'), span).state !== 'stable';
}

function goodTuring(places: Places): number {
  return inOnePart(places) / places.flat().reduce((sum, count) => sum + count, 0);
}

/** The larger of the last fifth and Good-Turing, or the mean of that as of each of the last three tenths. */
function before(places: Places): number {
  const as = [10, 9, 8].map((end) => {
    const known = places
      .map((blocks) => blocks.slice(0, end))
      .filter((blocks) => blocks.some((count) => count > 0));
    if (known.length === 0) return 1;
    return Math.max(goodTuring(known), unforeseen(known, Math.floor(end * 0.8)) ?? 0);
  });
  return Math.max(as[0]!, as.reduce((sum, each) => sum + each, 0) / as.length);
}
