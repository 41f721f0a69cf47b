import { formatTime } from '../format/moment.ts';
import { formatCount, formatNumber } from '../format/number.ts';
import { prefixOf, type Prefix } from '../policy/value/cidr.ts';
import { commentOf } from '../policy/file/comment.ts';
import {
  type Entry,
  type PolicyDocument,
  type RuleDocument,
  type ToDocument,
} from '../policy/file/document.ts';
import type { From } from '../policy/meaning/policy.ts';
import { mergePrefixes } from '../policy/value/prefix-set.ts';
import { Accounts } from '../profiler/read/observation.ts';
import { elapsedHours, sumEvidence, sumNames } from './subject/evidence.ts';
import { flatBox, markFlat } from './flat.ts';
import { describeGrant, type BoxCount } from './header.ts';
import { isNamedOnce, poolSize } from './subject/passing-name.ts';
import type { OddityFinder } from './subject/oddity.ts';
import { describeNames } from './rule/name-evidence.ts';
import { entryText } from './rule/reach.ts';
import { boxesOfRules, type HostCount, hostCounts } from './rule/host-count.ts';
import type { Rule, RuleCover } from './rule/rule.ts';
import { nameRules } from './rule/rule-name.ts';
import type { RecordedObservation } from '../profiler/read/read.ts';
import { withUserNames } from './fleet/user-name.ts';
import { widenRules } from './rule/budget.ts';
import { describeRanges, rangeNotes } from './rule/port-evidence.ts';
import { setNamer } from './rule/set-namer.ts';
import { shareLists, type SetNamer } from './rule/share.ts';
import type { Demand } from './subject/select.ts';
import { grantOf, ownerNotes, sumGrants, widenLists, type Grant, type WidenOptions } from './rule/widen.ts';
import { destinationAddress, observedDestination } from './destination/destination.ts';

/** The body of a policy and what is to be said of it. */
export interface Layout {
  body: Pick<PolicyDocument, 'allow' | 'dense' | 'flat' | 'sets'>;
  /** In the order of the document; empty in the flat layout. */
  rules: readonly Rule[];
  names: readonly string[];
  /** Prefixes of each entry of each rule. */
  lists: Prefix[][][];
  /** Boxes, and how few could do the same. Absent in the flat layout, which has one that does more. */
  boxes?: BoxCount;
  /** Over all rules. */
  grant: Grant;
  notes: string[];
  /** Rules with something to review; entries in the flat layout. */
  reviews: number;
}

/** What the evidence of rules is taken from. */
export interface Background {
  /** Clock hours in which subjects were active, by their keys. */
  hours: ReadonlyMap<string, ReadonlySet<number>>;
  /** What is to be looked at, by all observations of all rules. */
  oddities: OddityFinder;
  /** What the hosts call their users. */
  accounts?: Accounts;
  /** In a fleet: how many hosts count, and all that those were allowed. */
  fleet?: { hosts: number; observations: readonly RecordedObservation[] };
  /** How much of it stands beside a rule. Default: `full`. */
  evidence?: EvidenceKind;
}

/** `line`: one line beside each rule, and one for its marks. `full`: all that is known, one fact a line. */
export type EvidenceKind = 'line' | 'full';

/** What the addresses of a rule were known by when they were connected to. */
function knownBy({ observations }: Pick<Rule, 'observations'>, most = Infinity): string[] {
  const names = sumNames(observations.filter((each) => each.names && each.name === undefined));
  const more = names.length > most ? ' and others' : '';
  return names.length === 0 ? [] : [`known by ${names.slice(0, most).join(', ')}${more}`];
}

/** One rule for each set of subjects, with its evidence. */
export function layOutRules(
  { apart, atLeast, boxes, rules }: RuleCover,
  widening: WidenOptions,
  background: Background,
): Layout {
  const lists = widenRules(rules, widening);
  const written = rules.map((rule) => withUserNames(rule.from, background.accounts ?? new Accounts()));
  const names = nameRules(written.map((from) => ({ from })));
  const { fleet, oddities } = background;
  const counts = fleet && hostCounts(boxesOfRules(rules, lists), fleet.observations, fleet.hosts);
  const full = background.evidence !== 'line';
  let reviews = 0;
  const grants = rules.map((rule, index) => grantOfRule(rule, lists[index]!));
  const allow = rules.map((rule, index): RuleDocument => {
    const odd = [...describeRanges(rule), ...oddities.lines(rule.observations, full ? undefined : 1)];
    if (odd.length > 0) reviews++;
    const facts = { grant: grants[index]!, widening, ...(counts && { count: counts[index]! }) };
    return {
      ...(full
        ? { comment: fullEvidence(rule, { odd, ...facts }, background) }
        : {
            ...(odd.length > 0 && { comment: commentOf([`review: ${odd.join('; ')}`]) }),
            note: commentOf([shortEvidence(rule, facts, background)]),
          }),
      name: names[index]!,
      from: written[index]!,
      ...(rule.entries.length > 0 && { to: destinationsOf(rule, lists[index]!) }),
      ...(rule.sockets.length > 0 && { sockets: rule.sockets }),
    };
  });
  return {
    body: full ? { allow } : denseBody(allow, setNamer(rules, widening)),
    rules,
    names,
    lists,
    boxes: { count: boxes, atLeast, apart },
    grant: sumGrants(grants),
    notes: [
      ...ownerNotes(
        rules.flatMap(({ entries }) => entries.flatMap(({ observed }) => observed)),
        widening,
      ),
      ...rangeNotes(rules),
      ...budgetNotes(rules, grants, widening),
    ],
    reviews,
  };
}

/** What became of budgets by rule. */
function budgetNotes(rules: readonly Rule[], grants: readonly Grant[], widening: WidenOptions): string[] {
  if (widening.byHoldOut === undefined) return [];
  const wider = grants.filter(({ allowed, observed }) => allowed > observed).length;
  return [
    `Budgets: ${wider} of ${formatCount(rules.length, 'rule')} wider than seen, where that would have denied less of what came next`,
  ];
}

/** Rules that share lists, in as few lines as can be read. */
function denseBody(allow: readonly RuleDocument[], nameOf: SetNamer): Layout['body'] {
  const { rules, sets } = shareLists(allow.map(withPlainAddresses), nameOf);
  return { dense: true, allow: rules, ...(sets.size > 0 && { sets }) };
}

/** A single address without the length of its prefix. */
function withPlainAddresses(rule: RuleDocument): RuleDocument {
  if (!rule.to) return rule;
  const to = rule.to.map((entry) => (entry.cidr ? { ...entry, cidr: entry.cidr.map(plainAddress) } : entry));
  return { ...rule, to };
}

function plainAddress(value: Entry): Entry {
  if (typeof value !== 'string') return value;
  const whole = value.includes(':') ? '/128' : '/32';
  return value.endsWith(whole) ? value.slice(0, -whole.length) : value;
}

/** What is said beside a rule, apart from its observations. */
interface Facts {
  grant: Grant;
  widening: WidenOptions;
  /** In a fleet. */
  count?: HostCount;
}

/** `187 of 200 hosts, ` in a fleet. */
function hostsText(count: HostCount | undefined): string {
  return count === undefined ? '' : `${formatNumber(count.hosts)} of ${formatCount(count.of, 'host')}, `;
}

/** Destinations that are named one by one with their hosts. */
const MOST_FEWER = 100;

function byDestination(count: HostCount | undefined): string[] {
  if (count === undefined || count.fewer.length === 0) return [];
  const shown = count.fewer.slice(0, MOST_FEWER).map(({ destination, hosts }) => `${destination} ${hosts}`);
  const more = count.fewer.length - shown.length;
  return [`hosts by destination: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`];
}

/** All that is known of a rule. */
function fullEvidence(
  rule: Rule,
  { count, grant, odd, widening }: Facts & { odd: readonly string[] },
  { accounts = new Accounts(), hours }: Background,
): string {
  return commentOf([
    `${hostsText(count)}${describeEvidence(rule, hours, count !== undefined)}`,
    ...byDestination(count),
    ...(grant.allowed > grant.observed ? [`over-grant ${describeGrant(grant)}`] : []),
    ...describeNames(rule.observations),
    ...knownBy(rule),
    ...ownersOf(rule, widening),
    ...byImage(rule),
    ...usersOf(withUserNames(rule.from, accounts), accounts),
    ...odd.map((line) => `review: ${line}`),
  ]);
}

/** `1,204 events in 2 hours, 2026-11-21 to 2026-11-22, owners: example`: one line, for which little must be known. */
function shortEvidence(
  rule: Rule,
  { count: kOfN, grant, widening }: Facts,
  { accounts = new Accounts(), hours }: Background,
): string {
  const { count, first, last } = sumEvidence(rule.observations);
  const [from, to] = [first, last].map((time) => formatTime(time).slice(0, DAY));
  const days = from === to ? from : `${from} to ${to}`;
  const wider = `${formatNumber(grant.allowed)} addresses for ${formatNumber(grant.observed)}`;
  return [
    `${hostsText(kOfN)}${formatCount(count, 'event')} in ${hoursOf(rule, hours, kOfN !== undefined)}`,
    days,
    ...(grant.allowed > grant.observed ? [wider] : []),
    ...knownBy(rule, MOST_NAMES),
    ...ownersOf(rule, widening),
    ...usersOf(withUserNames(rule.from, accounts), accounts),
  ].join(', ');
}

/** Names of addresses in a line of evidence. */
const MOST_NAMES = 2;

/** Characters of the date in a time. */
const DAY = '2026-11-21'.length;

function destinationsOf(rule: Rule, lists: readonly Prefix[][]): ToDocument[] {
  return rule.entries.map((each, entry) => entryText(each, lists[entry]!));
}

/** The one box of the flat keys. */
export function layOutFlat(
  demands: readonly Demand[],
  denied: readonly Prefix[],
  widening: WidenOptions,
): Layout {
  const observations = demands.flatMap((demand) => demand.observations);
  const cover = (observed: Prefix[]): Prefix[] => widenLists([observed], widening)[0]!;
  const { allowed, keys, observed } = flatBox(observations, { denied, cover });
  const seen = mergePrefixes(observations.map((each) => prefixOf(destinationAddress(each))));
  const ratio = formatCount(Math.round(allowed / observed), 'time', 'times');
  const marked = markFlat(keys, observations);
  return {
    body: { flat: marked.keys },
    rules: [],
    names: [],
    lists: [],
    grant: grantOf(cover(seen), seen),
    notes: [
      `Flat layout: every subject here is allowed every destination here, ${ratio} as many combinations as were observed,`,
      'and on any port and protocol. --layout rules allows no combination that was not observed.',
      ...ownerNotes(seen, widening),
    ],
    reviews: marked.reviews,
  };
}

/** `1,204 events in 2 hours, 2026-11-21 00:00:00Z to 2026-11-21 05:00:00Z, e.g. 10.0.0.1:443/tcp`. */
function describeEvidence(rule: Rule, hours: Background['hours'], isLeast: boolean): string {
  const { count, first, last } = sumEvidence(rule.observations);
  const most = rule.observations.reduce((a, b) => (b.count > a.count ? b : a));
  // Where all were seen once there is none that was seen most.
  const sample =
    rule.observations.length > 1 && most.count > 1 ? `, most to ${observedDestination(most)}` : '';
  return (
    `${formatCount(count, 'event')} in ${hoursOf(rule, hours, isLeast)}, ` +
    `${formatTime(first)} to ${formatTime(last)}${sample}`
  );
}

/**
 * Hours can be united for whole subjects only; for a part of what one did, and in a fleet (`isLeast`), there is a lower
 * bound.
 */
function hoursOf(
  { observations, subjects, whole }: Rule,
  hours: Background['hours'],
  isLeast: boolean,
): string {
  if (whole) {
    const union = new Set(subjects.flatMap(({ key }) => [...(hours.get(key) ?? [])]));
    if (union.size > 0) return formatCount(elapsedHours(union.size, sumEvidence(observations)), 'hour');
  }
  const most = observations.reduce((max, each) => Math.max(max, elapsedHours(each.hours, each)), 0);
  return `${whole && !isLeast ? '' : 'at least '}${formatCount(most, 'hour')}`;
}

function grantOfRule(rule: Rule, lists: readonly Prefix[][]): Grant {
  return sumGrants(rule.entries.map(({ observed }, entry) => grantOf(lists[entry]!, observed)));
}

/** `uid 0 (root), 33 (www-data)`, where a name is known; in a container other users have the ids. */
function usersOf({ cgroup, container, image, uid }: From, accounts: Accounts): string[] {
  if (cgroup ?? container ?? image) return [];
  if (!uid?.some((id) => accounts.names('user', id))) return [];
  return [`uid ${uid.map((id) => accounts.text('user', id)).join(', ')}`];
}

/** Why a rule is for an image, where its containers have names. */
function byImage({ from, observations }: Rule): string[] {
  if (!from.image) return [];
  const once = observations.find(({ subject }) => isNamedOnce(subject));
  if (once) return [`by image: a name such as ${once.subject.container} is made up anew for each pod`];
  const pooled = observations.map(({ subject }) => poolSize(subject)).find((size) => size !== undefined);
  return pooled === undefined ? [] : [`by image: ${pooled} containers of it behave alike`];
}

/** `owners: amazon, cloudflare`, where blocks of owners are allowed. */
function ownersOf(rule: Rule, { owners }: WidenOptions): string[] {
  if (owners === undefined) return [];
  const names = new Set<string>();
  for (const { observed } of rule.entries) {
    for (const prefix of observed) {
      const owner = owners.find(prefix)?.owner;
      if (owner !== undefined) names.add(owner);
    }
  }
  return names.size === 0 ? [] : [`owners: ${[...names].sort().join(', ')}`];
}
