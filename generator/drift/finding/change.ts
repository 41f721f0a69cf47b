import type { Allowed, Case } from '../drift.ts';

/** The false alarm that is accepted: one in so many excursions of a stream in which nothing has changed. */
const EXCURSIONS = 100_000;
/** Times the odds of a new key that are a change. */
const ODDS = 10;
/** The least and the most that is taken for the usual share of new keys. */
const USUAL = { least: 0.01, most: 0.25 };
/** Events of a subject from which on its usual share is known. */
const ENOUGH = 100;

/** From some time on a subject does things that the policy does not allow, and more often than it ever did new things. */
export interface Change {
  subject: string;
  /** The first of them, microseconds since the epoch, and when they were too many for chance. */
  first: number;
  noticedAt: number;
  /** Destinations that are not allowed, from the first of them on, and events of the subject since. */
  destinations: number;
  events: number;
  /** The share of new destinations among the events before. */
  usual: number;
}

/** Something that a subject does again and again, and whether the policy allows it. */
interface Key {
  first: number;
  last: number;
  count: number;
  allowed: boolean;
}

/**
 * Dates changes by a Bernoulli CUSUM for each subject (Page, "Continuous inspection schemes", Biometrika 41, 1954;
 * Reynolds and Stoumbos, "A CUSUM chart for monitoring a proportion when inspecting continuously", Journal of Quality
 * Technology 31, 1999). Each event of a subject is a trial, and a success where it is the first one of a key, a
 * destination, that the policy does not allow: a key counts once, however often it is tried again. A success adds
 * ln(p1 / p0), every other event takes ln((1 - p0) / (1 - p1)) away, and the sum stays at zero or above.
 *
 * p0 is what is usual for the subject: the share of events that were the first of any key, allowed or not, in the later
 * half of its events before the sum left zero, within 1 and 25 percent; p1 has ten times its odds. A policy that was
 * learnt from the record allows every key of that time, so that its denials would say nothing of what is usual. A sum of
 * ln(100,000) is a change: of so many excursions from zero at most one gets there by chance, by Wald's inequality. It
 * began where the sum left zero. Without a hundred events before, nothing is known to have changed.
 *
 * Events between the first and the last of a key are taken to come evenly.
 */
export function changesOf(cases: readonly Case[], allowed: readonly Allowed[]): Change[] {
  const subjects = new Map<string, { name: string; keys: Key[] }>();
  const add = (key: string, name: string, each: Key): void => {
    const known = subjects.get(key);
    if (known === undefined) subjects.set(key, { name, keys: [each] });
    else known.keys.push(each);
  };
  for (const { observation, party } of allowed) {
    const { count, first, last } = observation;
    add(party.key, party.name, { count, first, last, allowed: true });
  }
  for (const { entry, part, party } of cases) {
    if (part !== 'new' && part !== 'denied') continue;
    const { count, first, last } = entry;
    add(party.key, party.name, { count, first, last, allowed: false });
  }
  return [...subjects.values()].flatMap(({ keys, name }) => changeOf(name, keys) ?? []);
}

function changeOf(subject: string, keys: readonly Key[]): Change | undefined {
  if (keys.every((key) => key.allowed)) return undefined;
  const inOrder = keys.toSorted((a, b) => a.first - b.first || Number(b.allowed) - Number(a.allowed));
  const places = placesOf(inOrder);
  const limit = Math.log(EXCURSIONS);
  let sum = 0;
  let [start, usual, before] = [0, 0, 0];
  let denied = 0;
  for (const [index, key] of inOrder.entries()) {
    if (key.allowed) continue;
    const place = places[index]!;
    if (sum > 0) sum -= (place - before - 1) * weights(usual).other;
    if (sum <= 0) {
      [start, usual, denied, sum] = [index, usualShare(places, index), 0, 0];
    }
    before = place;
    if (places[start]! < ENOUGH) continue;
    denied += 1;
    sum += weights(usual).success;
    if (sum < limit) continue;
    return {
      subject,
      first: inOrder[start]!.first,
      noticedAt: key.first,
      destinations: inOrder.slice(start).filter((each) => !each.allowed).length,
      events: Math.round(totalOf(inOrder) - places[start]! + 1),
      usual,
    };
  }
  return undefined;
}

/** What an event adds to the sum, or takes away. */
function weights(usual: number): { success: number; other: number } {
  const changed = (ODDS * usual) / (1 + (ODDS - 1) * usual);
  return { success: Math.log(changed / usual), other: Math.log((1 - usual) / (1 - changed)) };
}

/** The share of events that were the first of a key in the later half of those before this one. */
function usualShare(places: readonly number[], index: number): number {
  const end = places[index]!;
  const found = places.slice(0, index).filter((place) => place > end / 2).length;
  return Math.min(USUAL.most, Math.max(USUAL.least, found / Math.max(1, end / 2)));
}

function totalOf(keys: readonly Key[]): number {
  return keys.reduce((sum, { count }) => sum + count, 0);
}

/** The place of the first event of each key among all events, from 1; the keys are in the order of these. */
function placesOf(keys: readonly Key[]): number[] {
  const start = keys[0]!.first;
  const ending = keys.toSorted((a, b) => a.last - b.last);
  const places: number[] = [];
  // What is over, and of keys that go on a constant and what each microsecond adds.
  const sum = { done: 0, constant: 0, slope: 0 };
  let ended = 0;
  for (const key of keys) {
    for (; ended < ending.length && ending[ended]!.last < key.first; ended++) {
      const over = ending[ended]!;
      sum.done += over.count;
      addLine(sum, over, start, -1);
    }
    const seen = sum.done + sum.constant + sum.slope * (key.first - start);
    places.push(Math.max((places.at(-1) ?? 0) + 1, Math.round(seen) + 1));
    addLine(sum, key, start, 1);
  }
  return places;
}

/** Adds the events of a key, which come evenly from its first to its last, or takes them away. */
function addLine(
  sum: { constant: number; slope: number },
  { count, first, last }: Key,
  start: number,
  sign: 1 | -1,
): void {
  const slope = last > first ? (count - 1) / (last - first) : 0;
  sum.slope += sign * slope;
  sum.constant += sign * ((last > first ? 1 : count) - slope * (first - start));
}
