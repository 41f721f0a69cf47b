import { hasPorts, PORT_PROTOCOLS } from '../value/protocol.ts';
import type { PortRange } from '../value/port.ts';
import { intersectPrefixes, mergePrefixes, subtractPrefixes } from '../value/prefix-set.ts';
import { joinSpans, type Span, subtractSpans } from '../value/span.ts';
import { addressesOf, EVERYWHERE, type PortableRule } from './rule.ts';

/** What is left of a rule. */
export interface Carved {
  /** The rule that it was. */
  rule: string;
  rules: PortableRule[];
  /** Whether more was taken than should be. */
  narrower: boolean;
}

/** Protocols that stand for all of them where these are to be listed: others are hardly met. */
const LISTED: readonly number[] = [1, ...PORT_PROTOCOLS, 58];

/** What an allow rule allows and a deny rule, for every process, does not deny. */
export function carve(allow: PortableRule, deny: PortableRule): Carved {
  const all = addressesOf(allow) ?? EVERYWHERE;
  const inside = intersectPrefixes(all, deny.prefixes ?? EVERYWHERE);
  if (inside.length === 0 || apart(allow, deny)) return { rule: allow.name, rules: [allow], narrower: false };
  const { except: _except, ...whole } = allow;
  const { narrower, rest } = remaining({ ...whole, prefixes: inside }, deny);
  if (subtractPrefixes(all, inside).length === 0) return { rule: allow.name, rules: rest, narrower };
  const except = mergePrefixes([...(allow.except ?? []), ...inside]);
  const outside = { ...allow, prefixes: allow.prefixes ?? EVERYWHERE, except };
  return { rule: allow.name, rules: [outside, ...rest], narrower };
}

/** Whether no connection can match both, by protocol or port. */
function apart(allow: PortableRule, deny: PortableRule): boolean {
  const protocols = allow.protocols?.filter((each) => matchesProtocol(deny, each));
  if (protocols?.length === 0) return true;
  if (allow.ports === undefined || deny.ports === undefined) return false;
  const { ports } = deny;
  return !allow.ports.some((one) =>
    ports.some((other) => one.first <= other.last && other.first <= one.last),
  );
}

function matchesProtocol({ ports, protocols }: PortableRule, protocol: number): boolean {
  return (protocols?.includes(protocol) ?? true) && (ports === undefined || hasPorts(protocol));
}

/** Of an allow rule whose addresses are all denied: other protocols, and other ports. */
function remaining(allow: PortableRule, deny: PortableRule): { rest: PortableRule[]; narrower: boolean } {
  const rest: PortableRule[] = [];
  // Rules with ports are for protocols that have some.
  const own = allow.protocols ?? (allow.ports ? PORT_PROTOCOLS : LISTED);
  const partly = deny.protocols !== undefined || deny.ports !== undefined;
  const others = partly ? own.filter((each) => !matchesProtocol(deny, each)) : [];
  if (others.length > 0) rest.push({ ...allow, protocols: others });
  if (deny.ports !== undefined) {
    const ports = without(allow.ports ?? [{ first: 0, last: 65_535 }], deny.ports);
    const both = own.filter((each) => matchesProtocol(deny, each));
    if (ports.length > 0 && both.length > 0) rest.push({ ...allow, ports, protocols: both });
  }
  return { rest, narrower: partly && allow.protocols === undefined && allow.ports === undefined };
}

function without(ports: readonly PortRange[], taken: readonly PortRange[]): PortRange[] {
  return subtractSpans(spansOf(ports), spansOf(taken)).map(({ first, last }) => ({
    first: Number(first),
    last: Number(last),
  }));
}

function spansOf(ports: readonly PortRange[]): Span[] {
  return joinSpans(ports.map(({ first, last }) => ({ first: BigInt(first), last: BigInt(last) })));
}
