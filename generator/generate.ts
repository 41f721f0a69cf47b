import { BouhekiError } from '../error/error.ts';
import { formatPrefix, type Prefix } from '../policy/value/cidr.ts';
import { commentOf } from '../policy/file/comment.ts';
import { SCHEMA_COMMENT, type PolicyDocument, type RuleDocument } from '../policy/file/document.ts';
import type { Mode, Target } from '../policy/meaning/policy.ts';
import { mergePrefixes } from '../policy/value/prefix-set.ts';
import { Accounts } from '../profiler/read/observation.ts';
import type { Gap } from '../profiler/read/stretch.ts';
import { isEventLoss, type Activity, type Loss, type RecordedObservation } from '../profiler/read/read.ts';
import { joinNames, type DestinationKind } from './name/by-name.ts';
import { sumEvidence } from './subject/evidence.ts';
import { describeLosses, headerLines } from './header.ts';
import { judgeByFlatBox } from './flat.ts';
import { holdOut, judgeByRecord, judgeByRules, type HoldOut, type Judge } from './hold-out.ts';
import { layOutFlat, layOutRules, type Background, type EvidenceKind, type Layout } from './layout.ts';
import type { OwnerTable } from './rule/owner.ts';
import { describePeriods, periodOf } from './subject/period.ts';
import { lookAhead, type Outlook, type Readiness } from './readiness.ts';
import { describeNames } from './rule/name-evidence.ts';
import { coverDemands, hasRanges, widenPorts, type RuleCover } from './rule/rule.ts';
import type { Demand, Omission, Selection } from './subject/select.ts';
import { selectGranted, shownBy } from './granted.ts';
import { OddityFinder } from './subject/oddity.ts';
import { ruleSubject, type SubjectKind } from './subject/subject.ts';
import { describeUnrecorded, describeStrays, windowOf, type Window } from './subject/window.ts';
import { changeSubjects } from './subject/each-subject.ts';
import { namesOnce, poolSubjects } from './subject/passing-name.ts';
import { describePool, findPools, type Pool } from './pool.ts';
import type { Suffixes } from './name/wildcard.ts';
import { joinVersions } from './subject/version.ts';
import { TENTHS, TRAINING } from './subject/ahead.ts';
import { describeFleet, type FleetEvidence, leastHosts, type Quorum, withoutGranted } from './quorum.ts';
import { withheldLine } from './review/withheld.ts';
import { groupsOf } from './subject/order.ts';
import { withUserNames } from './fleet/user-name.ts';
import { widenRules } from './rule/budget.ts';
import { widenLists, type WidenOptions } from './rule/widen.ts';

/** The record to explain. */
export interface GenerateInput {
  observations: readonly RecordedObservation[];
  /** The same events told apart by the names of their addresses, where destinations may go by name. */
  apart?: readonly RecordedObservation[];
  /** When the subjects were active, for the hours in each rule's evidence. */
  activity: readonly Activity[];
  losses: readonly Loss[];
  /** Number of recordings that overlap the window, and how many of them were cut short. */
  recordings: number;
  interrupted: number;
  /** The times between recordings. Absent: none are known. */
  gaps?: readonly Gap[];
  /** What the hosts call their users and groups. */
  accounts?: Accounts;
  /** Whose observations these are, where they are those of several hosts. */
  fleet?: FleetEvidence;
}

export interface GenerateOptions {
  mode: Mode;
  target: Target;
  /** Addresses to deny whatever was observed. */
  deny: readonly Prefix[];
  allowLoss: boolean;
  includeDenied: boolean;
  /** Whether to write rules for programs of which only the command name is known. Default: no. */
  allowCommandRules?: boolean;
  /** Whether a path with `*` may stand for versions of a program. Absent: none may, each version is a program. */
  acceptsPattern?(pattern: string): boolean;
  /** Version of bouheki, for the header. */
  version: string;
  /** What a subject is. Default: `auto`. */
  by?: SubjectKind;
  /** What destinations go by where the record has names. Default: `address`. */
  destinations?: DestinationKind;
  /** What the Public Suffix List says; without it no wildcards are proposed. */
  suffixes?: Suffixes;
  /** What stands beside each rule. Default: `full`. */
  evidence?: EvidenceKind;
  /** Default: `rules`. */
  layout?: 'rules' | 'flat';
  /**
   * CIDRs in all allow rules together. Default: as many as it takes to allow no address that was not
   * observed. `auto`: for each rule what would have denied least of what came next.
   */
  maxCidrs?: number | 'auto';
  /** Whose blocks to allow whole. */
  owners?: OwnerTable;
  /** Whether every port must have been seen. Default: ranges stand for what services choose anew each time. */
  exactPorts?: boolean;
}

export interface Generated extends Layout {
  document: PolicyDocument;
  /** Observations that the policy does not allow, by reason and subject. */
  omissions: Omission[];
  /** What the policy allows, by subject. */
  demands: Demand[];
  /** Subjects that were seen at cloud metadata addresses and keep their access. */
  metadataUsers: string[];
  /** By the subject's key. */
  readiness: Map<string, Readiness>;
  /** What is still to come. */
  outlook: Outlook;
  holdOut: HoldOut;
  /** What the window is too short for, and the jobs in it that come at equal distances. */
  periods: string[];
  window: Window;
  /** Everything that the policy denies whatever was observed. */
  denied: Prefix[];
  /** Containers that share a rule for their image, though each has a name. */
  pools: Pool[];
  /** In a fleet: what enough hosts showed, and what not. */
  quorum?: Quorum;
}

/**
 * The policy that allows the observations of each subject, and nothing else to the same subject. It depends
 * on what was observed, not on the order of the lists. Throws BouhekiError: `loss` when the record is known
 * to be incomplete and that was not accepted, `no-data` when there is nothing to allow, `usage` when
 * `maxCidrs` is too small.
 */
export function generatePolicy(recorded: GenerateInput, options: GenerateOptions): Generated {
  const { pools, ...input } = pool(generalise(withNames(recorded, options), options), options);
  refuseLosses(input, options);
  const { all, granted, shown } = selectGranted(input, options);
  const { demands, metadata, metadataUsers, omissions } = granted;

  const denied = mergePrefixes([...metadata, ...options.deny]);
  const active = input.activity.filter(({ verdict }) => verdict === 'allow' || options.includeDenied);
  const hours = hoursBySubject(active, options.by);
  const observed = demands.flatMap((demand) => demand.observations);
  const evidence = sumEvidence(observed);
  const window = windowOf(evidence, hours.values());
  const oddities = new OddityFinder(observed);
  const cover = withRanges(coverDemands(demands, oddities), options);
  const widening = wideningOf(denied, options);
  const about: Background = {
    hours,
    oddities,
    ...(input.accounts && { accounts: input.accounts }),
    ...(input.fleet && { fleet: shownIn(input.fleet, all) }),
    ...(options.evidence && { evidence: options.evidence }),
  };
  const layout =
    options.layout === 'flat' ? layOutFlat(demands, denied, widening) : layOutRules(cover, widening, about);
  // Without a range in the whole there is none in a part.
  const tried = { ...options, exactPorts: !hasRanges(cover.rules) };
  const tested: HoldOut = {
    ...holdOut(demands, (training) => learn(training, widening, tried)),
    ...byAddress(recorded, demands, widening, tried),
  };
  const quorum = shown && withoutGranted(shown, judgeByRules(layout.rules, layout.lists));
  const ahead = { holdOut: tested, ...lookAhead(demands) };
  const rhythm = [...rhythmOf(window, demands, hours), ...describeUnrecorded(input.gaps ?? [])];
  const header = headerLines({
    version: options.version,
    evidence: { ...evidence, first: window.first, last: window.last },
    recordings: input.recordings,
    interrupted: input.interrupted,
    losses: input.losses,
    omissions,
    metadataUsers,
    periods: rhythm,
    ...ahead,
    ...(layout.boxes && { boxes: layout.boxes }),
    grant: layout.grant,
    ...(input.fleet && quorum && { fleet: describeFleet(input.fleet, quorum) }),
    notes: notesOf(observed, pools, layout, options),
  });
  const document: PolicyDocument = {
    header: commentOf([SCHEMA_COMMENT, ...header, ...withheldLines(input, quorum)]),
    mode: options.mode,
    target: options.target,
    ...layout.body,
  };
  if (options.layout !== 'flat') {
    const deny = [...denyRule('cloud metadata', metadata), ...denyRule('denied by --deny', options.deny)];
    if (deny.length > 0) document.deny = deny;
  }
  return {
    ...layout,
    document,
    omissions,
    demands,
    metadataUsers,
    ...ahead,
    periods: rhythm,
    window,
    denied,
    pools,
    ...(quorum && { quorum }),
  };
}

/** What all hosts showed, for the number of hosts beside each rule. */
function shownIn({ counted }: FleetEvidence, { demands }: Selection): NonNullable<Background['fleet']> {
  return { hosts: counted.length, observations: demands.flatMap(({ observations }) => observations) };
}

/** What too few hosts showed, for `review`. */
function withheldLines(
  { accounts = new Accounts(), fleet }: GenerateInput,
  quorum: Quorum | undefined,
): string[] {
  if (fleet === undefined || quorum === undefined) return [];
  return [...groupsOf(quorum.withheld, ({ subject }) => subject.key).values()].map((shown) => {
    const { from, name } = shown[0]!.subject;
    return withheldLine({ name, from: withUserNames(from, accounts), shown }, fleet.counted.length);
  });
}

/** The record in which containers that behave alike are known by their image, where nobody chose another subject. */
function pool(input: GenerateInput, options: GenerateOptions): GenerateInput & { pools: Pool[] } {
  const { by = 'auto', includeDenied, layout } = options;
  if (by !== 'auto' || layout === 'flat') return { ...input, pools: [] };
  const pools = findPools(input.observations.filter(({ verdict }) => verdict === 'allow' || includeDenied));
  return { ...input, ...changeSubjects(input, () => poolSubjects(pools)), pools };
}

function wideningOf(denied: readonly Prefix[], { maxCidrs, owners }: GenerateOptions): WidenOptions {
  return {
    denied,
    ...(maxCidrs === 'auto' && { byHoldOut: TENTHS }),
    ...(typeof maxCidrs === 'number' && { maxCidrs }),
    ...(owners && { owners }),
  };
}

/** Rules with ranges in the place of ports that a service chooses anew each time. */
function withRanges(cover: RuleCover, { exactPorts }: GenerateOptions): RuleCover {
  return exactPorts ? cover : { ...cover, rules: widenPorts(cover.rules) };
}

/** What was lost may be denied; where all is to go by name, an answer of a resolver too. */
function refuseLosses({ losses }: GenerateInput, { allowLoss, destinations }: GenerateOptions): void {
  const lost = losses.filter((loss) => isEventLoss(loss) || destinations === 'name');
  if (lost.length === 0 || allowLoss) return;
  const what = lost.some(isEventLoss) ? 'events' : 'names';
  throw new BouhekiError('loss', `the record lacks ${what}: ${describeLosses(lost)}`, {
    remedy: 'Record again, or accept a policy that may deny what was lost with --allow-loss.',
  });
}

/** The record with names in the place of addresses, where destinations can go by them. */
function withNames(
  recorded: GenerateInput,
  { destinations = 'address', layout, suffixes }: GenerateOptions,
): GenerateInput {
  const { apart, fleet, observations } = recorded;
  if (apart === undefined || layout === 'flat') return recorded;
  const asked = { suffixes, leastHosts: fleet && leastHosts(fleet) };
  return { ...recorded, observations: joinNames(observations, apart, destinations, asked) };
}

/** Statements of the header about subjects, names and the layout. A rule without a subject says so. */
function notesOf(
  observed: readonly RecordedObservation[],
  pools: readonly Pool[],
  layout: Layout,
  { by }: GenerateOptions,
): string[] {
  const names = describeNames(observed);
  return [
    ...(by === 'host' ? ['Subjects: none (--by host); every process may go where any was seen'] : []),
    ...names.map((line) => `Names: ${line}`),
    ...pools.map((each) => `Pool: ${describePool(each)}`),
    ...layout.notes,
  ];
}

/** What the same would have denied by address alone, where some destinations go by name. */
function byAddress(
  recorded: GenerateInput,
  demands: readonly Demand[],
  widening: WidenOptions,
  options: GenerateOptions,
): Pick<HoldOut, 'byAddress'> {
  if (!demands.some(({ observations }) => observations.some(({ name }) => name !== undefined))) return {};
  const { granted } = shownBy(pool(generalise(recorded, options), options), options);
  const { denied } = holdOut(granted.demands, (training) => learn(training, widening, options));
  return { byAddress: denied };
}

/**
 * The record with what its subjects show of each other: names that are made up and, where that is asked for,
 * one path for the versions of a program.
 */
function generalise(recorded: GenerateInput, { acceptsPattern, layout }: GenerateOptions): GenerateInput {
  const named = { ...recorded, ...changeSubjects(recorded, namesOnce) };
  if (acceptsPattern === undefined || layout === 'flat') return named;
  return { ...named, ...changeSubjects(named, (subjects) => joinVersions(subjects, acceptsPattern)) };
}

/** What is to be said of the window, and of those subjects that have a rhythm. */
function rhythmOf(
  window: Window,
  demands: readonly Demand[],
  hours: ReadonlyMap<string, ReadonlySet<number>>,
): string[] {
  const periods = demands.flatMap(({ subject }) => {
    const active = [...(hours.get(subject.key) ?? [])].sort((a, b) => a - b);
    return periodOf(subject.name, active, window.stretches) ?? [];
  });
  return [...describeStrays(window), ...describePeriods(window.length, periods)];
}

/** The judgement of the policy that these options make of a part of the record. */
function learn(training: readonly Demand[], widening: WidenOptions, options: GenerateOptions): Judge {
  const { byHoldOut } = widening;
  // What is held out must not have chosen the budgets.
  const feasible = { ...widening, ...(byHoldOut && { byHoldOut: TRAINING }), atLeastFeasible: true };
  if (options.layout === 'flat') {
    const cover = (observed: Prefix[]): Prefix[] => widenLists([observed], feasible)[0]!;
    return judgeByFlatBox(
      training.flatMap(({ observations }) => observations),
      { denied: widening.denied, cover },
    );
  }
  const exact = widening.maxCidrs === undefined && byHoldOut === undefined && widening.owners === undefined;
  if (exact && options.exactPorts) return judgeByRecord(training, options.by);
  const { rules } = withRanges(coverDemands(training), options);
  return judgeByRules(rules, widenRules(rules, feasible));
}

function denyRule(name: string, prefixes: readonly Prefix[]): RuleDocument[] {
  if (prefixes.length === 0) return [];
  return [{ name, to: [{ cidr: mergePrefixes(prefixes).map(formatPrefix) }] }];
}

function hoursBySubject(
  activity: readonly Activity[],
  by: SubjectKind | undefined,
): Map<string, Set<number>> {
  const hours = new Map<string, Set<number>>();
  for (const { subject, hours: active } of activity) {
    const key = ruleSubject(subject, by)?.key;
    if (key === undefined) continue;
    const known = hours.get(key) ?? new Set();
    hours.set(key, known);
    for (const hour of active) known.add(hour);
  }
  return hours;
}
