import { isNameable } from '../policy/file/entry.ts';
import { formatCount, formatPercent } from '../format/number.ts';
import type { RecordedObservation } from '../profiler/read/read.ts';
import { eventsFrom, isSeenBefore } from './subject/ahead.ts';
import { userIds } from './subject/ids.ts';
import { isNamedOnce } from './subject/passing-name.ts';
import { observedDestination } from './subject/oddity.ts';
import { compareText, groupsOf } from './subject/order.ts';

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
  const members = observations.flatMap((observation) => memberOf(observation) ?? []);
  const pools = [...groupsOf(members, ({ image }) => image).values()].flatMap((seen) => poolOf(seen) ?? []);
  return pools.sort((a, b) => compareText(a.image, b.image));
}

/** What a container of an image did at one place. */
interface Member extends Pick<RecordedObservation, 'blocks' | 'count'> {
  image: string;
  container: string;
  /** What a rule tells apart behind its container or image. */
  place: string;
}

/** Undefined where no rule goes by both the container and its image. */
function memberOf(observation: RecordedObservation): Member | undefined {
  const { blocks, count, subject } = observation;
  const { container, image, inContainer } = subject;
  if (!inContainer || !image || !container || isNamedOnce(subject)) return undefined;
  if (!isNameable('image', image) || !isNameable('container', container)) return undefined;
  const place = `${userIds(subject).join()} ${observedDestination(observation)}`;
  return { image, container, place, blocks, count };
}

function poolOf(seen: readonly Member[]): Pool | undefined {
  const containers = alike(seen);
  if (containers.size < FEWEST_CONTAINERS) return undefined;
  const members = seen.filter(({ container }) => containers.has(container));
  const events = CUTS.reduce((sum, cut) => sum + members.reduce((all, each) => all + ahead(each, cut), 0), 0);
  const deniedByContainer = unforeseen(members, ({ container, place }) => `${container} ${place}`);
  const deniedByImage = unforeseen(members, ({ place }) => place);
  if (events < FEWEST_EVENTS || deniedByContainer < 2 * deniedByImage) return undefined;
  if (deniedByContainer - deniedByImage < GAIN * events) return undefined;
  const { image } = members[0]!;
  return { image, containers: [...containers].sort(compareText), events, deniedByContainer, deniedByImage };
}

/** The containers that mostly go where others of them go too. */
function alike(seen: readonly Member[]): Set<string> {
  const users = new Map<string, Set<string>>();
  for (const { container, place } of seen) users.set(place, (users.get(place) ?? new Set()).add(container));
  const sum = (members: readonly Member[]): number => members.reduce((all, { count }) => all + count, 0);
  const byContainer = [...groupsOf(seen, ({ container }) => container)].filter(([, members]) => {
    const shared = members.filter(({ place }) => users.get(place)!.size > 1);
    return sum(shared) >= ALIKE * sum(members);
  });
  return new Set(byContainer.map(([container]) => container));
}

function ahead(member: Member, cut: number): number {
  return eventsFrom(member, cut, cut + AHEAD);
}

/** Events behind the points of the window at what was not seen before the point. */
function unforeseen(members: readonly Member[], keyOf: (member: Member) => string): number {
  return CUTS.reduce((sum, cut) => {
    const seen = new Set(members.filter((each) => isSeenBefore(each, cut)).map(keyOf));
    return members.reduce((all, each) => (seen.has(keyOf(each)) ? all : all + ahead(each, cut)), sum);
  }, 0);
}

/** `13 containers of image app:1 share a rule: by container 26 % of what came next was new, by image 5 %`. */
export function describePool({ containers, deniedByContainer, deniedByImage, events, image }: Pool): string {
  const share = (count: number): string => formatPercent(count / events);
  return (
    `${formatCount(containers.length, 'container')} of image ${image} share a rule: ` +
    `by container ${share(deniedByContainer)} of what came next was new, by image ${share(deniedByImage)}`
  );
}
