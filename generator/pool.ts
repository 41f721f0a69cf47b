import { isNameable } from '../policy/file/entry.ts';
import { formatCount, formatPercent } from '../format/number.ts';
import type { Subject } from '../profiler/read/observation.ts';
import type { RecordedObservation } from '../profiler/read/read.ts';
import { eventsFrom, firstTenth } from './subject/ahead.ts';
import { userIds } from './subject/ids.ts';
import { isNamedOnce } from './subject/passing-name.ts';
import { compareText, groupsOf } from './subject/order.ts';
import { DestinationNumbers } from './destination/destination-numbers.ts';

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
  const images = imagesOf(observations);
  const destinations = new DestinationNumbers();
  const members = new Map<string, Member[]>();
  for (const observation of observations) {
    const image = images.get(observation.subject);
    if (image === undefined) continue;
    const { blocks, count, subject } = observation;
    const place = `${userIds(subject).join()} ${destinations.of(observation)}`;
    const member = { container: subject.container!, place, blocks, count };
    const seen = members.get(image);
    if (seen === undefined) members.set(image, [member]);
    else seen.push(member);
  }
  const pools = [...members].flatMap(([image, seen]) => poolOf(image, seen) ?? []);
  return pools.sort((a, b) => compareText(a.image, b.image));
}

/** The image of each subject that a pool could hold: those of which enough containers were seen. */
function imagesOf(observations: readonly RecordedObservation[]): Map<Subject, string> {
  const subjects = new Set<Subject>();
  for (const { subject } of observations) subjects.add(subject);
  const poolable = [...subjects].filter(isPoolable);
  const byImage = [...groupsOf(poolable, ({ image }) => image!)].filter(
    ([, group]) => new Set(group.map(({ container }) => container)).size >= FEWEST_CONTAINERS,
  );
  return new Map(byImage.flatMap(([image, group]) => group.map((subject) => [subject, image])));
}

/** Whether rules could go by both the container and its image. */
function isPoolable(subject: Subject): boolean {
  const { container, image, inContainer } = subject;
  if (!inContainer || !image || !container || isNamedOnce(subject)) return false;
  return isNameable('image', image) && isNameable('container', container);
}

/** What a container of an image did at one place. */
interface Member extends Pick<RecordedObservation, 'blocks' | 'count'> {
  container: string;
  /** What a rule tells apart behind its container or image. */
  place: string;
}

function poolOf(image: string, seen: readonly Member[]): Pool | undefined {
  const containers = alike(seen);
  if (containers.size < FEWEST_CONTAINERS) return undefined;
  const members = seen.filter(({ container }) => containers.has(container));
  const events = CUTS.reduce((sum, cut) => sum + members.reduce((all, each) => all + ahead(each, cut), 0), 0);
  const deniedByContainer = unforeseen(members, ({ container, place }) => `${container} ${place}`);
  const deniedByImage = unforeseen(members, ({ place }) => place);
  if (events < FEWEST_EVENTS || deniedByContainer < 2 * deniedByImage) return undefined;
  if (deniedByContainer - deniedByImage < GAIN * events) return undefined;
  return { image, containers: [...containers].sort(compareText), events, deniedByContainer, deniedByImage };
}

/** The containers that mostly go where others of them go too. */
function alike(seen: readonly Member[]): Set<string> {
  const users = new Map<string, Set<string>>();
  for (const { container, place } of seen) {
    const known = users.get(place);
    if (known === undefined) users.set(place, new Set([container]));
    else known.add(container);
  }
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
  const keys = members.map(keyOf);
  const first = new Map<string, number>();
  for (const [at, member] of members.entries()) {
    first.set(keys[at]!, Math.min(first.get(keys[at]!) ?? Infinity, firstTenth(member)));
  }
  return members.reduce(
    (sum, member, at) =>
      CUTS.reduce((all, cut) => (first.get(keys[at]!)! < cut ? all : all + ahead(member, cut)), sum),
    0,
  );
}

/** `13 containers of image app:1 share a rule: by container 26 % of what came next was new, by image 5 %`. */
export function describePool({ containers, deniedByContainer, deniedByImage, events, image }: Pool): string {
  const share = (count: number): string => formatPercent(count / events);
  return (
    `${formatCount(containers.length, 'container')} of image ${image} share a rule: ` +
    `by container ${share(deniedByContainer)} of what came next was new, by image ${share(deniedByImage)}`
  );
}
