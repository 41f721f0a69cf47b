import { containsAddress, formatPrefix, type Prefix } from '../policy/value/cidr.ts';
import { isForHostOnly } from '../policy/meaning/evaluate.ts';
import type { Flow, From } from '../policy/meaning/policy.ts';
import { formatPortRange } from '../policy/value/port.ts';
import { formatProtocol } from '../policy/value/protocol.ts';
import type { RecordedObservation } from '../profiler/read/read.ts';
import { flowOf } from './subject/flow.ts';
import { userIds } from './subject/ids.ts';
import type { Rule } from './rule/rule.ts';
import { destinationAddress } from './destination/destination.ts';

/** A value in a list of one rule. */
interface Value {
  rule: number;
  text: string;
  needed: boolean;
}

/** A destination of a rule, with the values of its lists. */
interface Destinations {
  rule: number;
  /** Instead of prefixes. */
  names: Map<string, Value> | undefined;
  prefixes: { prefix: Prefix; value: Value }[];
  ports: { first: number; last: number; value: Value }[] | undefined;
  protocols: Map<number, Value>;
}

/**
 * The entries of rules that could go without denying anything that was observed, as text; none in a policy
 * that is minimal. A value of a destination is needed by an observation that only this destination allows, a
 * value of `from` by one that only this rule allows.
 */
export function findSuperfluous(
  rules: readonly Rule[],
  names: readonly string[],
  lists: readonly (readonly (readonly Prefix[])[])[],
  observations: readonly RecordedObservation[],
): string[] {
  const values: Value[] = [];
  const valueOf = (rule: number, text: string): Value => {
    const value = { rule, text, needed: false };
    values.push(value);
    return value;
  };
  const subjects = rules.map(({ from }, rule) =>
    (Object.entries(from) as [keyof From, (string | number)[]][]).flatMap(([key, list]) =>
      list.map((entry) => ({ key, entry, value: valueOf(rule, `${key} ${entry}`) })),
    ),
  );
  const destinationsOfRules = rules.map(({ entries }, rule) =>
    entries.map(({ names, ports, protocols }, entry): Destinations => ({
      rule,
      names: names && new Map(names.map((name) => [name, valueOf(rule, `name ${name}`)])),
      prefixes: lists[rule]![entry]!.map((prefix) => ({
        prefix,
        value: valueOf(rule, `cidr ${formatPrefix(prefix)}`),
      })),
      ports: ports?.map((range) => ({ ...range, value: valueOf(rule, `port ${formatPortRange(range)}`) })),
      protocols: new Map(
        protocols.map((protocol) => [protocol, valueOf(rule, `protocol ${formatProtocol(protocol)}`)]),
      ),
    })),
  );
  const sockets = rules.map(
    (each, rule) => new Map(each.sockets.map((kind) => [kind, valueOf(rule, `socket ${kind}`)])),
  );
  const rulesOf = new RuleIndex(rules);
  for (const observation of observations) {
    const hits = rulesOf.candidates(observation).flatMap((rule) => {
      const found =
        observation.socket === undefined
          ? destinationsOfRules[rule]!.map((destinations) => valuesHit(destinations, observation))
          : [socketHit(sockets[rule]!.get(observation.socket))];
      return found.flatMap((hit) => (hit === undefined ? [] : [{ rule, hit }]));
    });
    const [first] = hits;
    if (first === undefined || hits.some(({ rule }) => rule !== first.rule)) continue;
    const flow = flowOf(observation);
    const uids: unknown[] = userIds(observation.subject);
    for (const { entry, key, value } of subjects[first.rule]!) {
      if (key === 'uid' ? uids.includes(entry) : flow[key as keyof Flow] === entry) value.needed = true;
    }
    if (hits.length === 1) for (const value of first.hit) value.needed = true;
  }
  return values.filter(({ needed }) => !needed).map(({ rule, text }) => `${text} of ${names[rule]}`);
}

function socketHit(value: Value | undefined): Value[] | undefined {
  return value && [value];
}

/** The values that let the observation through; undefined when the destination does not hold it. */
function valuesHit(destinations: Destinations, observation: RecordedObservation): Value[] | undefined {
  const protocol = destinations.protocols.get(observation.protocol);
  if (protocol === undefined) return undefined;
  const { port } = observation;
  const range = destinations.ports?.find(({ first, last }) => first <= port && port <= last);
  if (destinations.ports !== undefined && range === undefined) return undefined;
  const place = placeHit(destinations, observation);
  if (place === undefined) return undefined;
  return [protocol, place, ...(range === undefined ? [] : [range.value])];
}

/** The name, or the prefix, that lets the observation through. */
function placeHit({ names, prefixes }: Destinations, observation: RecordedObservation): Value | undefined {
  if (names) return observation.name === undefined ? undefined : names.get(observation.name);
  // Where it goes by name, its address is one of many.
  if (observation.name !== undefined) return undefined;
  const address = destinationAddress(observation);
  return prefixes.find(({ prefix }) => containsAddress(prefix, address))?.value;
}

/** Finds the rules whose `from` holds a subject by the value of one dimension each. */
class RuleIndex {
  readonly #rules: readonly Rule[];
  readonly #byValue = new Map<string, number[]>();
  /** Those that hold for every process. */
  readonly #general: number[] = [];

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
    for (const [rule, { from }] of rules.entries()) {
      const [key, list] = Object.entries(from)[0] ?? [];
      if (list === undefined) this.#general.push(rule);
      for (const value of list ?? []) {
        const index = `${key} ${value}`;
        const known = this.#byValue.get(index);
        if (known === undefined) this.#byValue.set(index, [rule]);
        else known.push(rule);
      }
    }
  }

  candidates(observation: RecordedObservation): number[] {
    const flow = flowOf(observation);
    const uids = userIds(observation.subject);
    const named = Object.entries(flow).flatMap(
      ([key, value]) => this.#byValue.get(`${key} ${String(value)}`) ?? [],
    );
    return [...this.#general, ...named].filter((rule) => {
      const { from } = this.#rules[rule]!;
      if (flow.inContainer && isForHostOnly({ action: 'allow', from })) return false;
      return Object.entries(from).every(([key, list]) =>
        key === 'uid'
          ? uids.every((uid) => list.includes(uid as never))
          : (list as unknown[]).includes(flow[key as keyof Flow]),
      );
    });
  }
}
