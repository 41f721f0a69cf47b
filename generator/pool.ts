import { isNameable } from '../policy/file/entry.ts';
import { formatCount, formatPercent } from '../format/number.ts';
import type { RecordedObservation } from '../profiler/read/read.ts';
import { userIds } from './subject/ids.ts';
import { isNamedOnce } from './subject/passing-name.ts';
import { observedDestination } from './subject/oddity.ts';
import { compareText } from './subject/order.ts';

/** Containers of an image that one rule is for. */
export interface Pool {
  image: string;
  /** Their names, in order. */
  containers: string[];
  /** Events in the fifths behind five points of the window, and how many rules of the time before would deny. */
  events: number;
  deniedByContainer: number;
  deniedByImage: number;
}

/** After how many tenths of the window rules are made and tried on the two tenths that follow. */
const CUTS = [4, 5, 6, 7, 8];
const AHEAD = 2;

/** Of fewer, chance makes two alike. */
const FEWEST_CONTAINERS = 3;
const FEWEST_EVENTS = 20;

/** The share of a container's events that is at destinations of others, from which on it is like them. */
const ALIKE = 0.5;

/** The least share of what follows by which a rule for the image must deny less. */
const GAIN = 0.01;

/**
 * Of each image the containers that behave alike, where rules for each of them would have denied more of what followed
 * than one for the image: at least twice as much, and a hundredth more. That is tried at several points of the window,
 * as containers that are made anew may have begun just before the last of them. One rule for all lets each go where any
 * of them was seen, so a container whose destinations are mostly its own is none of them.
 */
export function findPools(observations: readonly RecordedObservation[]): Pool[] {
  const images = new Map<string, RecordedObservation[]>();
  for (const observation of observations) {
    const { container, image, inContainer } = observation.subject;
    if (!inContainer || !image || !container || isNamedOnce(observation.subject)) continue;
    if (isNameable('image', image) && isNameable('container', container))
      images.set(image, [...(images.get(image) ?? []), observation]);
  }
  const pools = [...images].flatMap(([image, seen]) => poolOf(image, seen) ?? []);
  return pools.sort((a, b) => compareText(a.image, b.image));
}

function poolOf(image: string, seen: readonly RecordedObservation[]): Pool | undefined {
  const containers = alike(seen);
  if (containers.size < FEWEST_CONTAINERS) return undefined;
  const members = seen.filter(({ subject }) => containers.has(subject.container!));
  const { events, unforeseen: deniedByContainer } = tryAhead(
    members,
    (each) => `${each.subject.container} ${placeOf(each)}`,
  );
  const { unforeseen: deniedByImage } = tryAhead(members, placeOf);
  if (events < FEWEST_EVENTS || deniedByContainer < 2 * deniedByImage) return undefined;
  if (deniedByContainer - deniedByImage < GAIN * events) return undefined;
  return { image, containers: [...containers].sort(compareText), events, deniedByContainer, deniedByImage };
}

/** The containers that mostly go where others of them go too. */
function alike(seen: readonly RecordedObservation[]): Set<string> {
  const users = new Map<string, Set<string>>();
  for (const each of seen) {
    const place = placeOf(each);
    users.set(place, (users.get(place) ?? new Set()).add(each.subject.container!));
  }
  const all = new Map<string, { shared: number; events: number }>();
  for (const each of seen) {
    const sum = all.get(each.subject.container!) ?? { shared: 0, events: 0 };
    all.set(each.subject.container!, sum);
    sum.events += each.count;
    if (users.get(placeOf(each))!.size > 1) sum.shared += each.count;
  }
  return new Set([...all].flatMap(([name, { events, shared }]) => (shared >= ALIKE * events ? [name] : [])));
}

/** What a rule tells apart behind its container or image. */
function placeOf(observation: RecordedObservation): string {
  return `${userIds(observation.subject).join()} ${observedDestination(observation)}`;
}

/** Events that follow on the points in the window, and those of them at what was not seen before its point. */
function tryAhead(
  observations: readonly RecordedObservation[],
  keyOf: (observation: RecordedObservation) => string,
): { events: number; unforeseen: number } {
  const result = { events: 0, unforeseen: 0 };
  const keyed = observations.map((each) => [keyOf(each), each.blocks] as const);
  for (const cut of CUTS) {
    const seen = new Set(
      keyed.flatMap(([key, blocks]) => (blocks.slice(0, cut).some((count) => count > 0) ? [key] : [])),
    );
    for (const [key, blocks] of keyed) {
      const ahead = blocks.slice(cut, cut + AHEAD).reduce((sum, count) => sum + count, 0);
      result.events += ahead;
      if (!seen.has(key)) result.unforeseen += ahead;
    }
  }
  return result;
}

/** `13 containers of image app:1 share a rule: by container 26 % of what came next was new, by image 5 %`. */
export function describePool({ containers, deniedByContainer, deniedByImage, events, image }: Pool): string {
  const share = (count: number): string => formatPercent(count / events);
  return (
    `${formatCount(containers.length, 'container')} of image ${image} share a rule: ` +
    `by container ${share(deniedByContainer)} of what came next was new, by image ${share(deniedByImage)}`
  );
}
