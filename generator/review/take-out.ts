import { BouhekiError } from '../../error/error.ts';
import { containsPrefix, formatPrefix, parsePrefix, prefixOf, type Prefix } from '../../policy/value/cidr.ts';
import { destinationText, type ToDocument } from '../../policy/file/document.ts';
import {
  allowRules,
  removeRule,
  replaceEntry,
  replaceSockets,
  type RuleLocation,
} from '../../policy/file/edit/edit.ts';
import { compileEvaluator } from '../../policy/meaning/evaluator.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { matchesNames } from '../../policy/meaning/known-name.ts';
import { isNameGlob } from '../../policy/value/host-name.ts';
import type { Box, Flow, Policy, To } from '../../policy/meaning/policy.ts';
import type { PortRange } from '../../policy/value/port.ts';
import { subtractPrefixes } from '../../policy/value/prefix-set.ts';
import { hasPorts } from '../../policy/value/protocol.ts';
import { boxesByRule, type ReviewInput, type ReviewItem } from './review.ts';

/**
 * The text in which no rule allows the item to those who were seen there. Undefined where a rule allows it
 * together with more than can be told apart (such as any port): then only a deny rule stops it.
 */
export function takeOut({ policy, record, text }: ReviewInput, item: ReviewItem): string | undefined {
  if (item.observations.length === 0) {
    const { entry, rule } = item.location;
    return entry === undefined ? removeRule(text, rule) : replaceEntry(text, { rule, entry }, []);
  }
  let result = text;
  let current = policy;
  for (const flow of item.observations.map(record.flowOf)) {
    while (compileEvaluator(current)(flow).action === 'allow') {
      const holder = boxesByRule(result, current).find(({ box }) => allowsFlow(current, box, flow))!;
      const edited = without(result, holder, flow);
      if (edited === undefined) return undefined;
      result = edited;
      current = record.follow(parseEdited(result));
    }
  }
  return result;
}

/** Why an item cannot be left out without a deny rule, which knows no names. */
export function inseparable({ destination, rule }: ReviewItem, byName: boolean): BouhekiError {
  const message = `${destination} cannot be taken out of rule ${rule} alone: something allows it together with more`;
  return new BouhekiError('usage', message, {
    remedy: byName ? 'Edit the rule.' : 'Deny it instead, or edit the rule.',
  });
}

/** Whether a box alone allows a flow. */
export function allowsFlow(policy: Policy, box: Box, flow: Flow): boolean {
  return compileEvaluator({ ...policy, boxes: [box] })(flow).action === 'allow';
}

/** The policy in a text that was parsed before and edited since. A fault is a bug of the edit. */
export function parseEdited(text: string): Policy {
  const { policy, problems } = parsePolicy(text, 'policy');
  if (policy === undefined) throw new Error(`the edited policy is none: ${problems[0]?.message}`);
  return policy;
}

/**
 * The text in which a box no longer allows the destination of a flow; undefined where that cannot be written
 * exactly.
 */
function without(
  text: string,
  { box, location }: { box: Box; location: RuleLocation },
  flow: Flow,
): string | undefined {
  const { entry, rule } = location;
  const { names, ports, prefixes, protocols, sockets } = box.to;
  if (sockets) {
    return replaceSockets(
      text,
      rule,
      sockets.filter((kind) => kind !== flow.socket),
    );
  }
  const ported = hasPorts(flow.protocol);
  if (entry === undefined || protocols === undefined) return undefined;
  if (names) {
    const raw = allowRules(text)[rule]!.to![entry]!;
    const left = withoutNames(raw, box.to, flow);
    return left && replaceEntry(text, { rule, entry }, left);
  }
  if (prefixes === undefined) return undefined;
  if (ported && ports === undefined) return undefined;
  const single = prefixOf(flow.address);
  const rest = carve(allowRules(text)[rule]!.to![entry]!, prefixes, single);
  const left = rest === undefined ? [] : [rest];
  const otherPorts = ported ? withoutPort(ports!, flow.port) : [];
  if (otherPorts.length > 0) {
    left.push(destinationText({ prefixes: [single], ports: otherPorts, protocols: [flow.protocol] }));
  }
  const otherProtocols = protocols.filter((protocol) => protocol !== flow.protocol);
  if (otherProtocols.length > 0) {
    left.push(destinationText({ prefixes: [single], ...(ports && { ports }), protocols: otherProtocols }));
  }
  return replaceEntry(text, { rule, entry }, left);
}

/**
 * The destinations without the names by which a flow is allowed, which keep its other ports and protocols; undefined where
 * those are names that nobody has listed one by one.
 */
function withoutNames(raw: ToDocument, to: To, flow: Flow): ToDocument[] | undefined {
  const hit = to.names!.filter((name) => matchesNames({ ...to, names: [name] }, flow.names));
  if (hit.some(isNameGlob)) return undefined;
  const others = to.names!.filter((name) => !hit.includes(name));
  const left: ToDocument[] = others.length === 0 ? [] : [{ ...raw, name: others }];
  const ported = hasPorts(flow.protocol);
  if (ported && to.ports === undefined) return undefined;
  const ports = ported ? withoutPort(to.ports!, flow.port) : [];
  const text = (rest: Pick<To, 'ports' | 'protocols'>): ToDocument => {
    const { port: _port, protocol: _protocol, ...same } = raw;
    return { ...same, name: hit, ...destinationText(rest) };
  };
  if (ports.length > 0) left.push(text({ ports, protocols: [flow.protocol] }));
  const protocols = to.protocols!.filter((protocol) => protocol !== flow.protocol);
  if (protocols.length > 0) left.push(text({ ...(to.ports && { ports: to.ports }), protocols }));
  return left;
}

/**
 * The destination, which allows `prefixes`, without one address; undefined when nothing is left. What sets and groups
 * hold stays theirs: the address is carved out of this destination alone.
 */
function carve(raw: ToDocument, prefixes: readonly Prefix[], single: Prefix): ToDocument | undefined {
  if (subtractPrefixes(prefixes, [single]).length === 0) return undefined;
  const texts = raw.cidr!.map(String);
  const listed = texts.map((text) => ({ text, prefix: parsePrefix(text) }));
  const kept = listed.filter(({ prefix }) => !prefix || !containsPrefix(single, prefix));
  if (kept.length === 0) return undefined;
  const cidr = kept.map(({ text }) => text);
  const inside = kept.some(({ prefix }) => !prefix || containsPrefix(prefix, single));
  return inside ? { ...raw, cidr, except: [...(raw.except ?? []), formatPrefix(single)] } : { ...raw, cidr };
}

function withoutPort(ports: readonly PortRange[], port: number): PortRange[] {
  return ports.flatMap(({ first, last }) => {
    if (port < first || port > last) return [{ first, last }];
    const below = port > first ? [{ first, last: port - 1 }] : [];
    return port < last ? [...below, { first: port + 1, last }] : below;
  });
}
