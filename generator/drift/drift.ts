import { matchesTo, normalizeFlow } from '../../policy/meaning/evaluate.ts';
import { compileEvaluator } from '../../policy/meaning/evaluator.ts';
import { reachOf } from '../../policy/meaning/known-name.ts';
import type { AccountTable, Flow, Policy, To, Verdict } from '../../policy/meaning/policy.ts';
import { Accounts, type Subject } from '../../profiler/read/observation.ts';
import {
  addToEntry,
  type Decision,
  type DriftEntry,
  type DriftObservation,
  entryKey,
  entryOf,
  type Party,
  partyOf,
  recordedOf,
} from './entry.ts';
import { NameDriftFinder } from './name-drift.ts';
import { NearRules } from './near-rule.ts';
import { SharedNames } from './shared-name.ts';
import { flowOf } from '../subject/flow.ts';
import { inStableOrder } from '../subject/order.ts';

/** The difference between what was observed and what a policy allows. */
export interface Drift {
  /** Went through, and the policy would not let it. */
  new: DriftEntry[];
  /** Was denied, and the policy would deny it again. */
  denied: DriftEntry[];
  /**
   * The kernel decided otherwise than the policy reads: it denied, or would have denied, what the policy allows; or it
   * allowed by a rule of this policy what that rule does not seem to allow. An older policy decided then, or the kernel
   * knew more than the record says.
   */
  disagreed: DriftEntry[];
  /**
   * Is allowed, but not by the name that the program asked for: by one that others asked for, which has the same address.
   * No drift, but more than the rule says.
   */
  shared: DriftEntry[];
}

/** An entry, in which part of the report it is, whose it is, and one of the flows that it is made of. */
export interface Case {
  part: keyof Drift;
  entry: DriftEntry;
  party: Party;
  flow: Flow;
  /** What the entry is made of. */
  observations: DriftObservation[];
}

/** What the policy and the kernel both allow. */
export interface Allowed {
  observation: DriftObservation;
  party: Party;
  flow: Flow;
  /** Index of the box that allows it; undefined where the policy does not judge it. */
  box: number | undefined;
}

/** All that a comparison finds. */
export interface Comparison {
  /** In the order of subject, then destination. */
  cases: Case[];
  allowed: Allowed[];
}

/** Who is told of by which names. */
export interface Naming {
  /** Names subjects in the result. */
  accounts?: Accounts;
  /** What rules that name users go by, where that is more. */
  called?: AccountTable;
}

/** The entries of a comparison by part. */
export function driftOf({ cases }: Pick<Comparison, 'cases'>): Drift {
  const drift: Drift = { new: [], denied: [], disagreed: [], shared: [] };
  for (const { part, entry } of cases) drift[part].push(entry);
  return drift;
}

/**
 * Compares observations with a policy. What the kernel said is the fact: each denial is among the cases, whatever the
 * policy says of it. Cases are in the order of subject, then destination.
 */
export function compare(
  policy: Policy,
  observations: readonly DriftObservation[],
  { accounts = new Accounts(), called = accounts }: Naming = {},
): Comparison {
  const cases = new Map<string, Case>();
  const allowed: Allowed[] = [];
  const partyOfSubject = partiesBy(accounts);
  const judge = compileEvaluator(policy);
  const nameDrift = new NameDriftFinder(policy);
  const near = new NearRules(policy);
  const judged = inStableOrder(observations).map((observation) => {
    const flow = flowOf(observation, called);
    const verdict = judge(flow);
    if (verdict.action === 'allow') nameDrift.allowed(verdict.box, observation.names ?? []);
    return { observation, flow, verdict };
  });
  const names = new SharedNames(observations, judge);
  for (const { flow, observation, verdict } of judged) {
    const party = partyOfSubject(observation.subject);
    const isAllowed = verdict.action === 'allow' && observation.verdict === 'allow';
    if (isAllowed) allowed.push({ observation, party, flow, box: verdict.box });
    if (isAllowed && !names.allow(observation, flow)) continue;
    const part = isAllowed ? 'shared' : partOf(policy, observation, flow, verdict);
    const key = `${part}\0${entryKey(observation, party)}`;
    const known = cases.get(key);
    if (known !== undefined) {
      addToEntry(known.entry, observation);
      known.observations.push(observation);
      continue;
    }
    const entry = entryOf(observation, party, {
      ...ruleMember(near, flow, verdict),
      ...nameDriftMember(nameDrift, { flow, observation, verdict }),
      ...(part === 'disagreed' && { recorded: recordedOf(observation) }),
    });
    cases.set(key, { part, entry, party, flow, observations: [observation] });
  }
  return { cases: inOrder(cases), allowed };
}

/** The parties of subjects: those of one subject hold the same object, so each is named once. */
function partiesBy(accounts: Accounts): (subject: Subject) => Party {
  const known = new Map<Subject, Party>();
  return (subject) => {
    const party = known.get(subject) ?? partyOf(subject, accounts);
    known.set(subject, party);
    return party;
  };
}

/** The part of the report that an observation belongs to which is not allowed by both, the kernel and the policy. */
function partOf(policy: Policy, observation: DriftObservation, flow: Flow, verdict: Verdict): keyof Drift {
  if (verdict.action === 'allow') return 'disagreed';
  if (observation.verdict === 'deny') return observation.monitored === true ? 'new' : 'denied';
  return wasAllowedByRule(policy, observation, flow, verdict) ? 'disagreed' : 'new';
}

/**
 * Whether the kernel allowed it by a rule that this policy still has for that destination: what the policy denies by a
 * deny rule has been denied since, but where no rule decides, the rule's subject must have been recognised by more than
 * the text of the record, such as a hard link or a link inside a container.
 */
function wasAllowedByRule(
  policy: Policy,
  { rule }: DriftObservation,
  flow: Flow,
  { box: decided }: Verdict,
): boolean {
  if (rule === undefined || decided !== undefined) return false;
  const normal = normalizeFlow(flow);
  return policy.boxes.some(
    (box) => box.action === 'allow' && box.name === rule && matchesTo(whateverName(box.to), normal),
  );
}

/** A destination with its addresses alone: the kernel may have known a name that the record has not. */
function whateverName({ keep: _keep, names, ...rest }: To): To {
  const reach = names && reachOf({ names, ...rest });
  return reach ? { ...rest, prefixes: [...reach] } : rest;
}

/** What names have to do with a flow that no rule decides. */
function nameDriftMember(
  finder: NameDriftFinder,
  { flow, observation, verdict }: { flow: Flow; observation: DriftObservation; verdict: Verdict },
): Pick<Decision, 'nameDrift'> {
  if (verdict.action === 'allow' || verdict.box !== undefined) return {};
  const kind = finder.kindOf(normalizeFlow(flow), observation.names ?? []);
  return kind === undefined ? {} : { nameDrift: kind };
}

/** The rule to name at an entry, if there is one. */
function ruleMember(near: NearRules, flow: Flow, verdict: Verdict): Pick<Decision, 'rule'> {
  const rule = near.decidingRule(normalizeFlow(flow), verdict);
  return rule === undefined ? {} : { rule };
}

function inOrder(cases: Map<string, Case>): Case[] {
  return [...cases].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, each]) => each);
}
