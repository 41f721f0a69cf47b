import { type Address, formatAddress } from '../value/address.ts';
import { containsAddress, formatPrefix, type Prefix } from '../value/cidr.ts';
import { formatMoment } from '../../format/moment.ts';
import { policyAt, ruleEnds } from '../meaning/end.ts';
import { FROM, TEXT_DIMENSIONS } from '../meaning/dimension.ts';
import { matchesTo } from '../meaning/evaluate.ts';
import type { Box, Policy } from '../meaning/policy.ts';
import { ANY_NAME } from '../value/host-name.ts';
import { isGlob } from '../value/name.ts';
import { prefixGroup } from '../value/prefix-group.ts';
import { lintModes, lintSubject } from './mode-lint.ts';
import { Covers, coversBox } from './subsume.ts';

/** Something that is legal in a policy and probably not meant. */
export interface Finding {
  kind:
    | 'unreachable'
    | 'subsumed'
    | 'command-only'
    | 'script-only'
    | 'wide'
    | 'pattern'
    | 'socket'
    | 'nothing-allowed'
    | 'no-destination'
    | 'cut-off'
    | 'ended';
  /** Index into `Policy.boxes`; undefined when the finding is about the policy as a whole. */
  box?: number;
  /** Index into `Policy.modes`, where it is about a mode entry. */
  modeEntry?: number;
  message: string;
  help?: string;
}

/** The widest prefixes that a rule may allow without a remark. */
const WIDEST = { 4: 8, 6: 32 } as const;

const WILDCARD = '*.';

const LONGEST = { 4: 32, 6: 128 } as const;

/** An address whose bits of these are all zero is hardly ever a host's. */
const HOST_BITS = { 4: 0xffffn, 6: 0xffff_ffff_ffff_ffffn } as const;

/**
 * Whether people who have nothing to do with each other can have names below a name, at any depth: `github.io`, and
 * `amazonaws.com` for what is below `s3.amazonaws.com`.
 */
export type IsPublicBelow = (name: string) => boolean;

/**
 * What the policy's author should look at again. `resolvers` are the name servers of the host it is meant
 * for. `now`: microseconds since the epoch.
 */
export function lintPolicy(
  policy: Policy,
  resolvers: readonly Address[] = [],
  isPublicBelow: IsPublicBelow = () => false,
  now = 0,
): Finding[] {
  const left = policyAt(policy, now).boxes;
  return [
    ...lintEnds(policy, now),
    ...lintReach(policy.boxes),
    ...lintModes(policy),
    ...policy.boxes.flatMap((box, index) => (box.action === 'allow' ? lintAllow(box, index) : [])),
    ...policy.boxes.flatMap((box, index) => lintWildcards(box, index, isPublicBelow)),
    ...policy.boxes.flatMap(lintAddresses),
    ...lintSockets(policy),
    ...lintNeeds(left, resolvers),
    ...lintLookups(policy.boxes),
  ];
}

/** Rules that have ended, each once. */
function lintEnds(policy: Policy, now: number): Finding[] {
  return ruleEnds(policy)
    .filter(({ until }) => until <= now)
    .map(({ rule, until }) => ({
      kind: 'ended',
      box: policy.boxes.findIndex((box) => box.name === rule && box.until === until),
      message: `allow rule "${rule}" ended at ${formatMoment(until)}, and allows nothing any more`,
      help: 'remove it, or give it a later until',
    }));
}

/** Rules that never decide anything, because others decide first. */
function lintReach(boxes: readonly Box[]): Finding[] {
  const findings: Finding[] = [];
  const start = boxes.findIndex((box) => box.action === 'allow');
  const firstAllow = start < 0 ? boxes.length : start;
  const denies = boxes.slice(0, firstAllow);
  const allows = boxes.slice(firstAllow);
  const denied = new Covers(denies);
  const allowed = new Covers(allows);
  for (const [index, box] of denies.entries()) {
    const by = firstOther(denied, denies, box, index);
    if (by !== undefined) findings.push(subsumed(index, box, denies[by]!));
  }
  for (const [at, box] of allows.entries()) {
    const index = firstAllow + at;
    const [deny] = denied.of(box);
    if (deny !== undefined) {
      const message = `allow rule "${box.name}" never allows anything: deny rule "${boxes[deny]!.name}" covers it`;
      findings.push({ kind: 'unreachable', box: index, message, help: 'remove one of the two' });
      continue;
    }
    const by = firstOther(allowed, allows, box, at);
    if (by !== undefined) findings.push(subsumed(index, box, allows[by]!));
  }
  return findings;
}

/** Of two rules that cover each other, the later one is too many. */
function firstOther(covers: Covers, boxes: readonly Box[], box: Box, index: number): number | undefined {
  for (const by of covers.of(box)) {
    if (by < index) return by;
    if (by > index && !coversBox(box, boxes[by]!)) return by;
  }
  return undefined;
}

function subsumed(index: number, box: Box, by: Box): Finding {
  const message = `${box.action} rule "${box.name}" adds nothing: rule "${by.name}" covers it`;
  return { kind: 'subsumed', box: index, message, help: 'remove it' };
}

function lintWildcards({ name, to }: Box, index: number, isPublicBelow: IsPublicBelow): Finding[] {
  const wild = (to.names ?? []).filter((each) => each.startsWith(WILDCARD));
  return wild
    .filter((pattern) => isPublicBelow(pattern.slice(WILDCARD.length)))
    .map((pattern) => ({
      kind: 'wide',
      box: index,
      message: `allow rule "${name}" allows ${pattern}, and anybody can have a name there`,
      help: 'name what is needed',
    }));
}

function lintAllow(box: Box, index: number): Finding[] {
  const findings: Finding[] = lintSubject(`allow rule "${box.name}"`, box.from).map((each) =>
    Object.assign(each, { box: index }),
  );
  findings.push(...lintPatterns(box, index));
  if (!box.to.prefixes && !box.to.sockets && !box.to.names) {
    const message = `allow rule "${box.name}" allows every address`;
    findings.push({ kind: 'wide', box: index, message, help: 'name destinations with cidr or name' });
  }
  if (box.to.names?.includes(ANY_NAME)) {
    const message = `allow rule "${box.name}" allows every name: whoever runs a name server decides which addresses that are`;
    findings.push({
      kind: 'wide',
      box: index,
      message,
      help: 'name what is needed, or what it is below: "*.example.com"',
    });
  }
  // Beside names they only narrow.
  const wide = box.to.names ? [] : (box.to.prefixes ?? []).filter(isWide);
  if (wide.length > 0) {
    const limits = `wider than /${WIDEST[4]} (IPv6: /${WIDEST[6]})`;
    const message = `allow rule "${box.name}" allows ${wide
      .slice(0, 5)
      .map((each) => inSet(box, each))
      .join(', ')}, ${limits}`;
    findings.push({ kind: 'wide', box: index, message, help: 'name smaller blocks' });
  }
  return findings;
}

/** A prefix of a box, with the set that has it. */
function inSet({ sets }: Pick<Box, 'sets'>, prefix: Prefix): string {
  const text = formatPrefix(prefix);
  const set = sets?.find(({ to }) => to.prefixes?.some((each) => formatPrefix(each) === text));
  return set ? `${text} (${set.name})` : text;
}

/** Patterns of files that match much more than versions of one program. */
function lintPatterns({ from, name }: Box, index: number): Finding[] {
  const patterns = TEXT_DIMENSIONS.flatMap((each) => (FROM[each].kind === 'file' ? (from[each] ?? []) : []));
  return patterns.filter(isWidePattern).map((pattern) => {
    const message = `allow rule "${name}" names ${pattern}, which matches files of many programs`;
    const help = 'begin with the directory of the program, and end with the name of the file';
    return { kind: 'pattern', box: index, message, help };
  });
}

/** Whether a `*` is all there is of a file's name, or of a directory that several programs share. */
function isWidePattern(pattern: string): boolean {
  const steps = pattern.split('/').slice(1);
  const first = steps.findIndex(isGlob);
  return first >= 0 && (steps.at(-1) === '*' || first === 0 || (first === 1 && steps[1] === '*'));
}

/** Single addresses that are most likely meant as networks. */
function lintAddresses({ action, name, sets, to }: Box, index: number): Finding[] {
  const single = (to.prefixes ?? []).filter(({ family, length }) => length === LONGEST[family]);
  const findings: Finding[] = [];
  for (const prefix of single) {
    const { family, value } = prefix;
    const text = formatAddress({ family, value });
    const [, set = ''] = / (.*)/.exec(inSet({ ...(sets && { sets }) }, prefix)) ?? [];
    if (value === 0n) {
      const message = `${action} rule "${name}" names ${text}${set && ` ${set}`}, which is no destination: a connection to it goes to this host's loopback address`;
      const help = `for every address write ${text}/0; for this host loopback`;
      findings.push({ kind: 'no-destination', box: index, message, help });
    } else if ((value & HOST_BITS[family]) === 0n) {
      const message = `${action} rule "${name}" names the single address ${text}${set && ` ${set}`}, which looks like that of a network`;
      findings.push({ kind: 'no-destination', box: index, message, help: 'add the length of its prefix' });
    }
  }
  return findings;
}

/** Openings that void rules for addresses, and who may make them. */
function lintSockets({ boxes, version }: Policy): Finding[] {
  if (version === 1) {
    const message =
      'version 1 does not restrict raw and packet sockets: a program that may open one can send to any address';
    return [{ kind: 'socket', message, help: 'write version 2, where a rule names sockets: --upgrade' }];
  }
  return boxes.flatMap(({ action, from, name, to }, box): Finding[] => {
    const kinds = (to.sockets ?? []).filter((kind) => kind !== 'other');
    const program = TEXT_DIMENSIONS.some((each) => FROM[each].role === 'program' && from[each]);
    if (action !== 'allow' || kinds.length === 0 || program) return [];
    const message = `allow rule "${name}" allows ${kinds.join(', ')} sockets, which can send past every address rule, to no program in particular`;
    return [{ kind: 'socket', box, message, help: 'name who needs them with exe, container or unit' }];
  });
}

const LOCAL = ['loopback', 'private', 'link-local', 'multicast'].flatMap((name) => prefixGroup(name)!);

/** Half of the groups are wider than the limit, and naming one of them is no carelessness. */
function isWide(prefix: Prefix): boolean {
  if (prefix.length >= WIDEST[prefix.family]) return false;
  return !LOCAL.some(
    (group) =>
      group.family === prefix.family && group.length <= prefix.length && containsAddress(group, prefix),
  );
}

/** Where nothing may be looked up, no address gets a name. */
function lintLookups(boxes: readonly Box[]): Finding[] {
  const allows = boxes.filter(({ action, to }) => action === 'allow' && !to.sockets);
  const named = allows.filter(({ to }) => to.names !== undefined);
  const asks = allows.some(
    ({ to }) =>
      !to.names &&
      (!to.ports || to.ports.some(({ first, last }) => first <= 53 && last >= 53)) &&
      (!to.protocols || to.protocols.includes(17)),
  );
  if (named.length === 0 || asks) return [];
  const message = `allow rule "${named[0]!.name}" goes by names, and no rule allows port 53 over UDP: nothing is looked up, and no address has a name`;
  const help = 'add a rule for the resolvers: to: [{ cidr: [...], port: [53], protocol: [udp, tcp] }]';
  return [{ kind: 'cut-off', box: boxes.indexOf(named[0]!), message, help }];
}

function overlaps(a: Prefix, b: Prefix): boolean {
  return containsAddress(a, b) || containsAddress(b, a);
}

/** What nearly every host needs. */
function lintNeeds(boxes: readonly Box[], resolvers: readonly Address[]): Finding[] {
  const allows = boxes.filter((box) => box.action === 'allow' && !box.to.sockets);
  if (allows.length === 0) {
    const message = 'no rule allows any destination: in block mode every connection is denied';
    return [{ kind: 'nothing-allowed', message, help: 'add allow rules' }];
  }
  const findings: Finding[] = [];
  const loopback = prefixGroup('loopback')!;
  const local = allows.some(
    ({ to }) =>
      !to.names &&
      (!to.prefixes || to.prefixes.some((prefix) => loopback.some((other) => overlaps(prefix, other)))),
  );
  if (!local) {
    const message = 'no rule allows loopback: programs of this host cannot reach each other';
    findings.push({ kind: 'cut-off', message, help: 'add a rule with to: [{ cidr: [loopback] }]' });
  }
  for (const resolver of resolvers) {
    const query = { address: resolver, port: 53, protocol: 17 };
    if (allows.some(({ to }) => matchesTo(to, query))) continue;
    const text = formatAddress(resolver);
    const message = `no rule allows the name server ${text}, port 53 over UDP: names cannot be looked up`;
    const help = `add a rule with to: [{ cidr: ["${text}"], port: [53], protocol: [udp, tcp] }]`;
    findings.push({ kind: 'cut-off', message, help });
  }
  return findings;
}
