import { formatAddress } from '../value/address.ts';
import { formatPrefix, prefixOf } from '../value/cidr.ts';
import { destinationText, type RuleDocument, type ToDocument } from '../file/document.ts';
import {
  evaluate,
  isForHostOnly,
  isJudged,
  matchesFrom,
  matchesTo,
  meansContainerFiles,
  normalizeFlow,
} from '../meaning/evaluate.ts';
import type { Box, Flow, From, Policy, Verdict } from '../meaning/policy.ts';
import { printRule } from '../file/print.ts';
import { formatProtocol, hasPorts } from '../value/protocol.ts';

/** An id that no list holds: that of a flow whose id is not known. */
export const UNKNOWN_ID = -1;

/** Why a connection, or the opening of a socket, gets its verdict, and what would change a denial. */
export interface Explanation {
  verdict: Verdict;
  /** One sentence. */
  reason: string;
  /** For a connection that no rule allows: the allow rule that comes nearest, and where it does not match. */
  nearest?: { box: number; mismatches: string[] };
  /** For a denied connection: one line that would allow it. */
  fix?: string;
}

/** Explains the verdict of a policy on one connection. */
export function explainFlow(policy: Policy, flow: Flow): Explanation {
  const verdict = evaluate(policy, flow);
  if (!isJudged(policy, flow)) {
    return { verdict, reason: 'the policy judges containers only, and this process is in none' };
  }
  const normal = normalizeFlow(flow);
  if (verdict.box !== undefined) {
    const { action, name } = policy.boxes[verdict.box]!;
    const reason = `${action} rule "${name}" matches`;
    if (action === 'allow') return { verdict, reason };
    return { verdict, reason: `${reason}, and a deny always wins`, fix: denyFix(policy, name, normal) };
  }
  const nearest = nearestAllow(policy.boxes, normal);
  if (!nearest) {
    return { verdict, reason: 'no rule allows any destination', fix: ownRule(policy, normal) };
  }
  const reason = 'no allow rule matches';
  return { verdict, reason, nearest, fix: allowFix(policy, nearest, normal) };
}

function denyFix(policy: Policy, name: string, flow: Flow): string {
  const isList = policy.version === 1 || /^(?:cidr|command|uid|gid)\.deny$/.test(name);
  const subject = isList ? `the list ${name}` : `deny rule "${name}"`;
  return `take ${flow.socket ?? formatAddress(flow.address)} or its subject out of ${subject}`;
}

/** The allow box with the fewest dimensions that do not match; of equals the one that says the most, then the first. */
function nearestAllow(boxes: readonly Box[], flow: Flow): Explanation['nearest'] {
  let nearest: Explanation['nearest'];
  let most = 0;
  for (const [index, box] of boxes.entries()) {
    // A rule for sockets is near to no connection, but one for connections may get sockets too.
    if (box.action !== 'allow' || (box.to.sockets && !flow.socket)) continue;
    const mismatches = mismatchesOf(box, flow);
    const named = Object.keys(box.from).length + Object.keys(box.to).length;
    const better =
      !nearest ||
      mismatches.length < nearest.mismatches.length ||
      (mismatches.length === nearest.mismatches.length && named > most);
    if (!better) continue;
    nearest = { box: index, mismatches };
    most = named;
  }
  return nearest;
}

const TO_KEYS = { prefixes: 'cidr', ports: 'port', protocols: 'protocol' } as const;

/** The dimensions in which a box does not match, as the policy language calls them. */
function mismatchesOf(box: Box, flow: Flow): string[] {
  const mismatches: string[] = [];
  // Where the rule's paths mean files of a container, one by one they would mean the host's.
  const there = meansContainerFiles(box.from) ? { ...flow, inContainer: false } : flow;
  for (const [key, value] of Object.entries(box.from)) {
    if (!matchesFrom({ action: box.action, from: { [key]: value } }, there)) mismatches.push(key);
  }
  if (flow.socket) return matchesTo(box.to, flow) ? mismatches : [...mismatches, 'sockets'];
  for (const [key, value] of Object.entries(box.to)) {
    if (!matchesTo({ [key]: value }, flow)) mismatches.push(TO_KEYS[key as keyof typeof TO_KEYS]);
  }
  return mismatches;
}

/**
 * A rule for somebody that matches but for one value gets that value. For anything more, and where the rule is for
 * everybody, a rule of its own widens less.
 */
function allowFix(
  policy: Policy,
  { box, mismatches }: NonNullable<Explanation['nearest']>,
  flow: Flow,
): string {
  const { name, from } = policy.boxes[box]!;
  const values = mismatches.map((key) => [key, valuesOf(key, flow)] as const);
  const unknown = values.filter(([, value]) => value === undefined).map(([key]) => key);
  if (unknown.length > 0)
    return `rule "${name}" needs ${unknown.join(', ')}: say which, to see whether it matches`;
  if (policy.version === 1) {
    return values.map(([key, value]) => `add ${value} to ${key}.allow`).join(' and ');
  }
  const portless = values[0]?.[0] === 'port' && !hasPorts(flow.protocol);
  const elsewhere = flow.inContainer && isForHostOnly({ action: 'allow', from });
  if (values.length === 1 && Object.keys(from).length > 0 && !portless && !elsewhere) {
    const [key, value] = values[0]!;
    return `add ${value} to ${key} of rule "${name}"`;
  }
  return ownRule(policy, flow);
}

/** What to add to a list so that it holds the flow's value; undefined where the flow has none. */
function valuesOf(key: string, flow: Flow): string | undefined {
  switch (key) {
    case 'sockets':
      return flow.socket;
    case 'cidr':
      return formatPrefix(prefixOf(flow.address));
    case 'port':
      return String(flow.port);
    case 'protocol':
      return formatProtocol(flow.protocol);
    case 'uid':
      return idsText(flow.uid, flow.euid, flow.fsuid);
    case 'gid':
      return idsText(flow.gid, flow.egid, flow.fsgid);
    default:
      return flow[key as Exclude<keyof From, 'uid' | 'gid'>] || undefined;
  }
}

function idsText(real: number, effective: number, files?: number): string | undefined {
  if (real === UNKNOWN_ID) return undefined;
  return idsOf(real, effective, files).join(', ');
}

/** Each once: a rule must list them all. */
function idsOf(real: number, effective: number, files = effective): number[] {
  return [...new Set([real, effective, files])];
}

function ownRule({ version }: Policy, flow: Flow): string {
  const from: NonNullable<RuleDocument['from']> = {};
  // The strongest name that is known, and the id: enough to tell a subject, and no more than that.
  for (const key of ['exe', 'script', 'container', 'unit', 'command'] as const) {
    const value = flow[key];
    if (!value || (key === 'command' && (from.exe || from.container || from.unit))) continue;
    from[key] = [value];
  }
  if (flow.uid !== UNKNOWN_ID) from.uid = idsOf(flow.uid, flow.euid, flow.fsuid);
  const rule = printRule(flow.socket ? { from, sockets: [flow.socket] } : { from, to: [placeOf(flow)] });
  return version === 1 ? `as version 2, under network.allow: ${rule}` : `add under network.allow: ${rule}`;
}

function placeOf({ address, port, protocol }: Flow): ToDocument {
  return destinationText({
    prefixes: [prefixOf(address)],
    ...(hasPorts(protocol) ? { ports: [{ first: port, last: port }] } : {}),
    protocols: [protocol],
  });
}
