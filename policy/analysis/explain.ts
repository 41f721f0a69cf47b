import { formatMoment } from '../../format/moment.ts';
import { formatAddress } from '../value/address.ts';
import { containsAddress, formatPrefix, prefixOf } from '../value/cidr.ts';
import { destinationText, type RuleDocument, type ToDocument } from '../file/document.ts';
import {
  DESTINATION_DIMENSIONS,
  type DestinationDimension,
  FROM,
  type IdKind,
  isAccountDimension,
  isTextDimension,
  TEXT_DIMENSIONS,
  type TextDimension,
  TO,
} from '../meaning/dimension.ts';
import { isNameable } from '../file/entry.ts';
import { holdsAt } from '../meaning/end.ts';
import {
  evaluate,
  idsOf,
  isForHostOnly,
  isJudged,
  matchesFrom,
  matchesTo,
  meansContainerFiles,
  normalizeFlow,
} from '../meaning/evaluate.ts';
import { matchesNames, NAME_DEFAULTS, neededKeep, reachOf } from '../meaning/known-name.ts';
import { isNameGlob, parentOf } from '../value/host-name.ts';
import type { Box, Flow, From, KnownName, Policy, To, Verdict } from '../meaning/policy.ts';
import { formatKeep } from '../value/keep.ts';
import { isGlob } from '../value/name.ts';
import { isPublic } from '../value/public-address.ts';
import { printRule } from '../file/print.ts';
import { formatProtocol, hasPorts } from '../value/protocol.ts';

/** An id that no list holds: that of a flow whose id is not known. */
export const UNKNOWN_ID = -1;

/** A dimension as the policy language calls it. */
type Key = keyof From | (typeof TO)[keyof To];

/** Why a connection, or the opening of a socket, gets its verdict, and what would change a denial. */
export interface Explanation {
  verdict: Verdict;
  /** One sentence. */
  reason: string;
  /**
   * For a connection that no rule allows: the allow rule that comes nearest, and where it does not match. `excepted`:
   * its `cidr` has the address, and its `except` takes it out. `ended`: it has ended by itself. `names`: why none of its names is that of the address.
   */
  nearest?: { box: number; mismatches: Key[]; excepted?: true; ended?: true; names?: string };
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
    const box = policy.boxes[verdict.box]!;
    const { action, name, until } = box;
    const reason = `${action} rule "${name}" matches${bySets(box, normal)}`;
    const end = until === undefined ? '' : `, which ends by itself at ${formatMoment(until)}`;
    if (action === 'allow') return { verdict, reason: `${reason}${end}` };
    return { verdict, reason: `${reason}, and a deny always wins`, fix: denyFix(policy, name, normal) };
  }
  const nearest = nearestAllow(policy.boxes, normal);
  if (!nearest) {
    return { verdict, reason: 'no rule allows any destination', fix: ownRule(policy, normal) };
  }
  const reason = 'no allow rule matches';
  const fix = fixFor(policy, nearest, normal);
  return { verdict, reason, nearest, fix };
}

/** ` by its @s3`: the sets of a box that hold what a flow goes to; empty where none does. */
function bySets({ sets = [], to: { keep } }: Box, flow: Flow): string {
  if (flow.socket) return '';
  const holding = sets.filter(({ to }) =>
    DESTINATION_DIMENSIONS.some((key) => {
      if (key === 'names') {
        return (
          to.names !== undefined &&
          matchesNames({ names: to.names, ...(keep !== undefined && { keep }) }, flow.names)
        );
      }
      return key !== 'protocols' && to[key] !== undefined && matchesTo({ [key]: to[key] }, flow);
    }),
  );
  return holding.length === 0 ? '' : ` by its ${holding.map(({ name }) => name).join(', ')}`;
}

function denyFix(policy: Policy, name: string, flow: Flow): string {
  const isList = policy.version === 1 || /^(?:cidr|command|uid|gid)\.deny$/.test(name);
  const subject = isList ? `the list ${name}` : `deny rule "${name}"`;
  return `take ${flow.socket ?? formatAddress(flow.address)} or its subject out of ${subject}`;
}

/**
 * The allow box that comes nearest: one that names this very subject before any other, then the one with the fewest
 * dimensions that do not match; of equals the one that says the most, then the first.
 */
function nearestAllow(boxes: readonly Box[], flow: Flow): Explanation['nearest'] {
  let nearest: Explanation['nearest'];
  let least: number[] = [];
  for (const [index, box] of boxes.entries()) {
    // A rule for sockets is near to no connection, but one for connections may get sockets too.
    if (box.action !== 'allow' || (box.to.sockets && !flow.socket)) continue;
    const mismatches = mismatchesOf(box, flow);
    const distance = distanceOf(box, flow, mismatches);
    if (nearest && !isLess(distance, least)) continue;
    nearest = { box: index, mismatches, ...(takesOut(box, flow, mismatches) && { excepted: true }) };
    if (!holdsAt(box, flow.at)) nearest.ended = true;
    if (mismatches.includes('name')) nearest.names = nameMiss(box.to.names!, flow.names ?? []);
    least = distance;
  }
  return nearest;
}

/** The name of the allow rule that comes nearest to a flow that none allows. */
export function nearestRule(boxes: readonly Box[], flow: Flow): string | undefined {
  const nearest = nearestAllow(boxes, normalizeFlow(flow));
  return nearest && boxes[nearest.box]!.name;
}

/** How far a box is from a flow, the weightiest number first. */
function distanceOf(box: Box, flow: Flow, mismatches: readonly Key[]): number[] {
  const named = Object.keys(box.from).length;
  const sameSubject = named > 0 && matchesFrom(box, flow);
  const wrong = mismatches.length + (holdsAt(box, flow.at) ? 0 : 1);
  return [sameSubject ? 0 : 1, wrong, -(named + Object.keys(box.to).length)];
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at >= 0 && a[at]! < b[at]!;
}

/** Whether the address is in what `except` carved out of the box, and so in no cidr that could be added to it. */
function takesOut({ except }: Box, { address }: Flow, mismatches: readonly Key[]): boolean {
  return mismatches.includes('cidr') && except?.some((hole) => containsAddress(hole, address)) === true;
}

/** Why no pattern matches a name, in words: what is nearly the same is told of. */
function nameMiss(patterns: readonly string[], known: readonly KnownName[]): string {
  if (known.length === 0) return 'the address is known by no name';
  for (const { name } of known) {
    for (const pattern of patterns) {
      if (parentOf(pattern) === name) return `${pattern} does not stand for ${name} itself`;
      if (isNameGlob(pattern)) continue;
      if (name.endsWith(`.${pattern}`)) return `${pattern} does not stand for ${name} below it`;
      if (name.startsWith(`${pattern}.`))
        return `${name} was asked for, with a search domain behind ${pattern}`;
    }
  }
  return `the address is known by ${known.map(({ name }) => name).join(', ')}`;
}

/** The dimensions in which a box does not match. */
function mismatchesOf({ action, from, to }: Box, flow: Flow): Key[] {
  // Where the rule's paths mean files of a container, one by one they would mean the host's.
  const there = meansContainerFiles(from) ? { ...flow, inContainer: false } : flow;
  const named = Object.keys(from) as (keyof From)[];
  const mismatches: Key[] = named.filter(
    (key) => !matchesFrom({ action, from: { [key]: from[key] } }, there),
  );
  if (flow.socket) return matchesTo(to, flow) ? mismatches : [...mismatches, 'sockets'];
  for (const key of DESTINATION_DIMENSIONS) {
    const mismatch = MISMATCHES[key](to, flow);
    if (mismatch) mismatches.push(mismatch);
  }
  return mismatches;
}

/** What of a dimension of destinations does not match; undefined where all does. */
const MISMATCHES: Record<DestinationDimension, (to: To, flow: Flow) => Key | undefined> = {
  names: (to, { names }) => {
    if (matchesNames(to, names)) return undefined;
    return matchesNames({ ...to, keep: Infinity }, names) ? 'keep' : 'name';
  },
  prefixes: (to, flow) => {
    const reach = reachOf(to);
    return reach && !matchesTo({ prefixes: [...reach] }, flow) ? 'cidr' : undefined;
  },
  ports: ({ ports }, flow) => (ports && !matchesTo({ ports }, flow) ? 'port' : undefined),
  protocols: ({ protocols }, flow) => (protocols && !matchesTo({ protocols }, flow) ? 'protocol' : undefined),
};

function fixFor(policy: Policy, nearest: NonNullable<Explanation['nearest']>, flow: Flow): string {
  const { ended, mismatches } = nearest;
  const texts = TEXT_DIMENSIONS.filter((each) => mismatches.includes(each) && flow[each]);
  const unwritten = texts.find((each) => !isNameable(each, flow[each]!));
  if (unwritten !== undefined) return unnameable(unwritten, flow[unwritten]!);
  return ended ? endFix(policy, nearest, flow) : allowFix(policy, nearest, flow);
}

/** A rule that matches but for its end may get a later one. */
function endFix(
  policy: Policy,
  { box, mismatches }: NonNullable<Explanation['nearest']>,
  flow: Flow,
): string {
  const { name, until } = policy.boxes[box]!;
  if (mismatches.length > 0) return ownRule(policy, flow);
  return `give rule "${name}" a later until: it ended at ${formatMoment(until!)}`;
}

/**
 * A rule for named subjects that matches except for one value gets that value. For anything more, and where
 * the rule is for every subject, a rule of its own widens less.
 */
function allowFix(
  policy: Policy,
  { box, excepted, mismatches }: NonNullable<Explanation['nearest']>,
  flow: Flow,
): string {
  const { name, from, to } = policy.boxes[box]!;
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
    if (key === 'keep') return `make keep of rule "${name}" ${value}`;
    // Named alone, the address would take the place of the public ones.
    if (key === 'cidr' && !to.prefixes) return `write cidr: [public, ${value}] in rule "${name}"`;
    if (excepted) return `take ${formatAddress(flow.address)} out of except of rule "${name}"`;
    return `add ${value} to ${key} of rule "${name}"${orToSet(policy.boxes, box, key)}`;
  }
  return ownRule(policy, flow);
}

/** Where the list of a rule names sets of its kind: that those are others' lists too. */
function orToSet(boxes: readonly Box[], box: number, key: Key): string {
  const dimension = DESTINATION_DIMENSIONS.find((each) => TO[each] === key);
  if (dimension === undefined || dimension === 'protocols') return '';
  const set = boxes[box]!.sets?.find(({ to }) => to[dimension] !== undefined);
  if (set === undefined) return '';
  const users = new Set(
    boxes.filter(({ sets }) => sets?.some(({ name }) => name === set.name)).map(({ name }) => name),
  );
  const which = users.size === 1 ? 'only this rule names' : `${users.size} rules name`;
  return `, or to the set ${set.name}, which ${which}`;
}

/** What to add to a list so that it holds the flow's value; undefined where the flow has none. */
function valuesOf(key: Key, flow: Flow): string | undefined {
  switch (key) {
    case 'sockets':
      return flow.socket;
    case 'name':
      return flow.names?.[0]?.name;
    case 'keep':
      return formatKeep(neededKeep(Math.min(...(flow.names ?? []).map(({ age }) => age))));
    case 'cidr':
      return formatPrefix(prefixOf(flow.address));
    case 'port':
      return String(flow.port);
    case 'protocol':
      return formatProtocol(flow.protocol);
    default:
      return subjectValuesOf(key, flow);
  }
}

/** The same of a dimension of subjects. */
function subjectValuesOf(key: keyof From, flow: Flow): string | undefined {
  if (key === 'host') return flow.host?.[0];
  if (isTextDimension(key)) return flow[key] || undefined;
  if (isAccountDimension(key)) return namesOf(FROM[key].of, flow)?.join(', ');
  return idListOf(FROM[key].kind, flow)?.join(', ');
}

/** The ids of a process, each once: a rule must list them all. Undefined where they are not known. */
function idListOf(kind: IdKind, flow: Flow): number[] | undefined {
  const ids = idsOf(kind, flow);
  return ids[0] === UNKNOWN_ID ? undefined : [...new Set(ids)];
}

/** A name of each id of a process. Undefined where one has none that is known. */
function namesOf(kind: IdKind, flow: Flow): string[] | undefined {
  const names = idListOf(kind, flow)?.map((id) => flow.accounts?.namesOf(kind, id)[0]);
  return names?.every((name) => name !== undefined) ? names : undefined;
}

function ownRule({ version }: Policy, flow: Flow): string {
  const from: NonNullable<RuleDocument['from']> = {};
  // The strongest name that is known, and the id: enough to identify a subject, and no more than that.
  const named = TEXT_DIMENSIONS.some((each) => FROM[each].role === 'program' && flow[each]);
  for (const dimension of TEXT_DIMENSIONS) {
    const { role } = FROM[dimension];
    const value = flow[dimension];
    if (!value || role === 'group' || (role === 'claim' && named)) continue;
    // Written, it would stand for others; left out, the rule would be for others.
    if (!isNameable(dimension, value)) return unnameable(dimension, value);
    from[dimension] = [value];
  }
  const uids = idListOf('user', flow);
  if (uids) from.uid = uids;
  const rule = printRule(
    flow.socket ? { from, sockets: [flow.socket] } : { from, to: [destinationOf(flow)] },
  );
  return version === 1 ? `as version 2, under network.allow: ${rule}` : `add under network.allow: ${rule}`;
}

function unnameable(dimension: TextDimension, value: string): string {
  const why = isGlob(value) ? 'there * stands for other texts too' : 'no policy can have it';
  return `none: no rule can name the ${dimension} ${JSON.stringify(value)}, ${why}`;
}

/** A destination of its own, by name where it has one: a name that is allowed reaches public addresses. */
function destinationOf({ address, names, port, protocol }: Flow): ToDocument {
  const [best] = names ?? [];
  const keep = best && neededKeep(best.age);
  return destinationText({
    ...(best && { names: [best.name], keep: Math.max(keep!, NAME_DEFAULTS.keep) }),
    ...(!(best && isPublic(address)) && { prefixes: [prefixOf(address)] }),
    ...(hasPorts(protocol) ? { ports: [{ first: port, last: port }] } : {}),
    protocols: [protocol],
  });
}
