import type { Address } from '../value/address.ts';
import { blockOf, BoxIndex, type FiledDimension, type Probe } from './box-index.ts';
import { lastOf, parsePrefix, type Prefix } from '../value/cidr.ts';
import { FROM, isAccountDimension, isTextDimension } from './dimension.ts';
import {
  denialOf,
  evaluate,
  everyIdOf,
  everyNameOf,
  isJudged,
  matchesBox,
  matchesTo,
  MOST_GROUPS,
  normalizeFlow,
} from './evaluate.ts';
import type { Box, Flow, Policy, Verdict } from './policy.ts';
import { mergePrefixes } from '../value/prefix-set.ts';
import { PUBLIC } from '../value/public-address.ts';
import { reachOf } from './known-name.ts';

/** Lists up to this length are searched one by one. */
const SHORT = 8;

/**
 * `evaluate` for many flows of one policy: the same verdicts, but only boxes that can match are looked at,
 * and long lists of prefixes by bisection. The policy must not change while the function is used.
 */
export function compileEvaluator(policy: Policy): (flow: Flow) => Verdict {
  const index = new BoxIndex(policy.boxes);
  const matchers = policy.boxes.map(compileBox);
  return (flow) => {
    if (!isJudged(policy, flow)) return { action: 'allow' };
    // In any group at all: nothing to look up.
    if (flow.groups && flow.groups.length > MOST_GROUPS) return evaluate(policy, flow);
    // Boxes are filed by ports and protocols too, and an intent is judged by neither.
    if (flow.intent) return evaluate(policy, flow);
    const normal = normalizeFlow(flow);
    for (const box of index.candidates(probeOf(normal))) {
      if (!matchers[box]!(normal)) continue;
      return policy.boxes[box]!.action === 'allow' ? { action: 'allow', box } : denialOf(policy, normal, box);
    }
    return denialOf(policy, normal);
  };
}

/** All of some boxes that match a flow, whatever they do, by their places. The boxes must not change meanwhile. */
export function compileMatcher(boxes: readonly Box[]): (flow: Flow) => number[] {
  const index = new BoxIndex(boxes);
  const matchers = boxes.map(compileBox);
  return (flow) => {
    const normal = normalizeFlow(flow);
    return index.candidates(probeOf(normal)).filter((box) => matchers[box]!(normal));
  };
}

function probeOf(flow: Flow): Probe {
  return { values: (dimension) => valuesOf(flow, dimension), block: () => blockOf(flow.address) };
}

function valuesOf(flow: Flow, dimension: FiledDimension): readonly (string | number)[] {
  switch (dimension) {
    case 'ports':
      return [flow.port];
    case 'protocols':
      return [flow.protocol];
    case 'sockets':
      return flow.socket === undefined ? [] : [flow.socket];
    case 'names':
      return flow.names?.map(({ name }) => name) ?? [];
    default: {
      if (isAccountDimension(dimension)) return everyNameOf(FROM[dimension].of, flow);
      if (!isTextDimension(dimension)) return everyIdOf(FROM[dimension].kind, flow);
      const text = flow[dimension];
      return text === undefined ? [] : [text];
    }
  }
}

function compileBox(box: Box): (flow: Flow) => boolean {
  const reach = reachOf(box.to);
  if (!reach || reach.length <= SHORT) return (flow) => matchesBox(box, flow);
  const contains = reach === PUBLIC ? isPublic : addressSet(reach);
  const to = { ...box.to, prefixes: EVERYWHERE };
  const anywhere = { ...box, to };
  return (flow) => matchesTo(to, flow) && contains(flow.address) && matchesBox(anywhere, flow);
}

/** Not absent: names without prefixes reach public addresses only. */
const EVERYWHERE = [parsePrefix('0.0.0.0/0')!, parsePrefix('::/0')!];

let publicSet: ((address: Address) => boolean) | undefined;

/** Most boxes with names share this list, and it is made when the first one does. */
function isPublic(address: Address): boolean {
  publicSet ??= addressSet(PUBLIC);
  return publicSet(address);
}

/** Whether an address is in any of many prefixes, by bisection of their (disjoint) spans. */
function addressSet(prefixes: readonly Prefix[]): (address: Address) => boolean {
  const merged = mergePrefixes(prefixes);
  const v4 = merged.filter((prefix) => prefix.family === 4);
  const firsts4 = Float64Array.from(v4, (prefix) => Number(prefix.value));
  const lasts4 = Float64Array.from(v4, (prefix) => Number(lastOf(prefix)));
  const v6 = merged.filter((prefix) => prefix.family === 6);
  const firsts6 = v6.map((prefix) => prefix.value);
  const lasts6 = v6.map(lastOf);
  return ({ family, value }) =>
    family === 4 ? inSpans(firsts4, lasts4, Number(value)) : inSpans(firsts6, lasts6, value);
}

function inSpans<T extends number | bigint>(firsts: ArrayLike<T>, lasts: ArrayLike<T>, value: T): boolean {
  let low = -1;
  let high = firsts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (firsts[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low >= 0 && lasts[low]! >= value;
}
