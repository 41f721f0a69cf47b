import { isForHostOnly } from '../../policy/meaning/evaluate.ts';
import type { Flow, From } from '../../policy/meaning/policy.ts';
import { hasPorts } from '../../policy/value/protocol.ts';
import type { Subject } from '../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { DestinationNumbers } from '../destination/destination-numbers.ts';
import { flowOf } from '../subject/flow.ts';
import { userIds } from '../subject/ids.ts';
import type { Marking, OddityFinder } from '../subject/oddity.ts';
import { compareText } from '../subject/order.ts';
import type { Demand } from '../subject/select.ts';
import { coveredKeys, type RuleSubject } from '../subject/subject.ts';
import { standsForName } from '../fleet/user-name.ts';

/** Observations, each with the demand whose rule has to allow it. A cell is a number: an index into these lists. */
export class Cells {
  readonly demands: Demand[] = [];
  readonly observations: RecordedObservation[] = [];
  /** Whether a cell is of another subject than that of its demand. */
  readonly moved: boolean[] = [];

  add(demand: Demand, observation: RecordedObservation, moved: boolean): number {
    this.observations.push(observation);
    this.moved.push(moved);
    return this.demands.push(demand) - 1;
  }
}

/** Cells by what one box could hold. */
export interface CellGroups {
  cells: Cells;
  groups: (readonly number[])[];
  /** Whether there are cells that only their marking keeps apart. */
  apart: boolean;
}

/**
 * Observations that one box could allow: subjects named by the same dimensions, each with one user id or all
 * with the same several, protocols alike in having ports, or all of them openings of sockets; and alike in
 * what is marked.
 */
export function comparableCells(demands: readonly Demand[], oddities: OddityFinder): CellGroups {
  const cells = new Cells();
  const groups = new Map<string, number[]>();
  const markings = new Map<string, Set<Marking>>();
  const subjects = new Map(
    demands.map((demand) => {
      const { from } = demand.subject;
      const several = (from.uid?.length ?? 0) > 1 ? ` ${from.uid!.join('+')}` : '';
      // A rule has numbers of users or names.
      const named = from.uid?.some(standsForName) ? ' named' : '';
      const marking = oddities.marking(demand.observations);
      return [demand, { kind: `${Object.keys(from).join()}${named}${several}`, marking, byPlace: new Map() }];
    }),
  );
  const groupOf = (demand: Demand, place: string): number[] => {
    const { byPlace, kind, marking } = subjects.get(demand)!;
    const known: number[] | undefined = byPlace.get(place);
    if (known !== undefined) return known;
    const alike = `${kind} ${place}`;
    markings.set(alike, (markings.get(alike) ?? new Set()).add(marking));
    const group = groups.get(`${alike} ${marking}`) ?? [];
    groups.set(`${alike} ${marking}`, group);
    byPlace.set(place, group);
    return group;
  };
  let [last, lastPlace, group]: [Demand | undefined, string, number[]] = [undefined, '', []];
  withoutRepeats(demands, (demand, observation, moved) => {
    const place = placeKind(observation);
    // Observations of a subject mostly go to places of one kind.
    if (demand !== last || place !== lastPlace)
      [last, lastPlace, group] = [demand, place, groupOf(demand, place)];
    group.push(cells.add(demand, observation, moved));
  });
  return {
    cells,
    groups: [...groups].sort(([a], [b]) => compareText(a, b)).map(([, group]) => group),
    apart: [...markings.values()].some(({ size }) => size > 1),
  };
}

function placeKind({ name, protocol, socket }: RecordedObservation): string {
  const kind = socket === undefined ? String(hasPorts(protocol)) : 'socket';
  return name === undefined ? kind : `${kind} name`;
}

/**
 * Takes each observation with the demand whose rule has to allow it: one of lower rank where that allows it anyway,
 * and one with more ids where that holds all of its own.
 */
function withoutRepeats(
  demands: readonly Demand[],
  take: (demand: Demand, observation: RecordedObservation, moved: boolean) => void,
): void {
  const ordered = demands.toSorted((a, b) => byRank(a.subject, b.subject));
  const askers = askersOf(ordered);
  const kinds = new Map<string, (keyof From)[]>();
  const holders = new Holders();
  for (const demand of ordered) {
    const named = new Map<Subject, Held[]>();
    // Most subjects are asked for by nobody else, and nothing has to be remembered of them.
    const shared = coveredKeys(demand.subject).filter((key) => askers.get(key)?.some((by) => by !== demand));
    const own = shared.map((key) => holders.make(key));
    let [last, others]: [Subject | undefined, Held[]] = [undefined, []];
    for (const observation of demand.observations) {
      if (observation.subject !== last) {
        last = observation.subject;
        others =
          named.get(last) ?? namesBy(kinds.values(), observation).flatMap((key) => holders.of(key) ?? []);
        named.set(last, others);
      }
      const holder = holders.hold(demand, observation, own, others);
      take(holder, observation, holder !== demand);
    }
    const kind = Object.keys(demand.subject.from) as (keyof From)[];
    kinds.set(kind.join(), kind);
  }
}

/** The first demand that holds each destination, by its number. */
type Held = Map<number, Demand>;

/** Who holds what was observed, by the key of a subject. */
class Holders {
  readonly #destinations = new DestinationNumbers();
  readonly #byKey = new Map<string, Held>();

  of(key: string): Held | undefined {
    return this.#byKey.get(key);
  }

  make(key: string): Held {
    const known = this.#byKey.get(key) ?? new Map<number, Demand>();
    this.#byKey.set(key, known);
    return known;
  }

  /** The first of the others who holds an observation; where none does, the demand does from now on. */
  hold(
    demand: Demand,
    observation: RecordedObservation,
    own: readonly Held[],
    others: readonly Held[],
  ): Demand {
    if (own.length === 0 && others.length === 0) return demand;
    const destination = this.#destinations.of(observation);
    const holder = others.find((other) => other.has(destination))?.get(destination);
    if (holder !== undefined) return holder;
    for (const held of own) if (!held.has(destination)) held.set(destination, demand);
    return demand;
  }
}

/** By the key of a subject: the demands some observation of which a rule for that one takes. */
function askersOf(demands: readonly Demand[]): Map<string, Demand[]> {
  const kinds = new Map(
    demands.map(({ subject }) => {
      const kind = Object.keys(subject.from) as (keyof From)[];
      return [kind.join(), kind];
    }),
  );
  const askers = new Map<string, Demand[]>();
  for (const demand of demands) {
    const asked = new Set<string>();
    const seen = new Set<Subject>();
    let last: Subject | undefined;
    for (const observation of demand.observations) {
      if (observation.subject === last || seen.has(observation.subject)) continue;
      seen.add((last = observation.subject));
      for (const key of namesBy(kinds.values(), observation)) asked.add(key);
    }
    for (const key of asked) {
      const known = askers.get(key);
      if (known === undefined) askers.set(key, [demand]);
      else known.push(demand);
    }
  }
  return askers;
}

function byRank(a: RuleSubject, b: RuleSubject): number {
  return a.rank - b.rank || (b.from.uid?.length ?? 0) - (a.from.uid?.length ?? 0);
}

/** The keys of the subjects that rules of these kinds take the one of the observation for. */
function namesBy(kinds: Iterable<readonly (keyof From)[]>, observation: RecordedObservation): string[] {
  const flow = flowOf(observation);
  const uid = userIds(observation.subject);
  return [...kinds].flatMap((kind) => {
    const from = Object.fromEntries(
      kind.map((key) => [key, key === 'uid' ? uid : [flow[key as keyof Flow]]]),
    ) as From;
    return flow.inContainer && isForHostOnly({ action: 'allow', from }) ? [] : [JSON.stringify(from)];
  });
}
