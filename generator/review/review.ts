import type { RuleDocument } from '../../policy/file/document.ts';
import { allowRules, findMarks, type RuleLocation } from '../../policy/file/edit/edit.ts';
import { compileEvaluator } from '../../policy/meaning/evaluator.ts';
import type { AccountTable, Box, Flow, Policy } from '../../policy/meaning/policy.ts';
import { printRule } from '../../policy/file/print.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { elapsedHours, sumEvidence, type Evidence } from '../subject/evidence.ts';
import { type WithheldItem, withheldItems } from './withheld.ts';
import { joinAddresses, joinNamed } from '../name/by-name.ts';
import { flowOf } from '../subject/flow.ts';
import { OddityFinder } from '../subject/oddity.ts';
import { selectObservations } from '../subject/select.ts';
import { observedDestination } from '../destination/destination.ts';

/** One destination of one rule that a person should decide on. */
export interface ReviewItem {
  /** Name of the rule. */
  rule: string;
  /**
   * As `observedDestination` writes it: `192.0.2.1:443/tcp`; `EVERYTHING` where the record has nothing that the rule
   * allows.
   */
  destination: string;
  /** Of what was withheld: as a decision has it. */
  from?: string;
  /** Why it is asked. */
  reasons: string[];
  location: RuleLocation;
  /** What the rule allows there. */
  observations: RecordedObservation[];
  /** Where no rule allows it yet, as too few hosts of a fleet showed it. */
  withheld?: WithheldItem;
}

/** Whether a marked rule is reviewed for what is odd about it, or as a whole. */
export type ReviewScope = 'odd' | 'whole';

/** The destination of a mark without anything recorded. */
export const EVERYTHING = 'everything';

/** A policy's text, what it means, and the record to review it by. */
export interface ReviewInput {
  text: string;
  policy: Policy;
  /** From `prepareRecord`. */
  record: ReviewRecord;
}

/** What a policy may allow of a record, and what is odd about it. */
export interface ReviewRecord {
  observations: readonly RecordedObservation[];
  reasons(observation: RecordedObservation): string[];
  /** The observation as the policy sees it. */
  flowOf(observation: RecordedObservation): Flow;
  /** The policy with what its paths lead to. */
  follow(policy: Policy): Policy;
}

/** What is known of this host and of those that were recorded, for what people have written into a policy. */
export interface ReviewBackground {
  accounts?: AccountTable;
  follow?(policy: Policy): Policy;
}

export function prepareRecord(
  recorded: readonly RecordedObservation[],
  { accounts, follow = (policy) => policy }: ReviewBackground = {},
): ReviewRecord {
  const { demands } = selectObservations(recorded, {
    deny: [],
    includeDenied: false,
    allowCommandRules: true,
  });
  const observations = demands.flatMap((demand) => demand.observations);
  const judged = { follow, flowOf: (observation: RecordedObservation) => flowOf(observation, accounts) };
  if (observations.length === 0) return { observations, reasons: () => [], ...judged };
  const oddities = new OddityFinder(observations);
  return { observations, reasons: (observation) => oddities.reasons(observation), ...judged };
}

/**
 * Observations that were told apart by names, as a policy treats them: one for each name that it allows, and for each
 * address of the rest.
 */
export function joinForReview(
  policy: Policy,
  apart: readonly RecordedObservation[],
  accounts?: AccountTable,
): RecordedObservation[] {
  const judge = compileEvaluator(policy);
  const isNamed = (each: RecordedObservation): boolean => {
    const { box } = judge(flowOf(each, accounts));
    return box !== undefined && policy.boxes[box]!.to.names !== undefined;
  };
  const named = new Set(apart.filter(isNamed));
  return [...joinNamed([...named]), ...joinAddresses(apart.filter((each) => !named.has(each)))];
}

/**
 * What the marks in a policy ask for, in the order of the file. For a rule marked `review:` that is each
 * destination that is odd, as far as the record still says so, else all; for what a merge added it is all of
 * it. `begun` has the rules of which something was decided already, and whether they are reviewed for what is
 * odd or as a whole: a rule does not change between the two with the decisions.
 */
export function findReview(
  { policy, record, text }: ReviewInput,
  begun: ReadonlyMap<string, ReviewScope>,
): ReviewItem[] {
  const withheld = withheldItems(text).map((each): ReviewItem => ({
    rule: each.rule,
    destination: each.destination,
    from: each.from,
    reasons: [each.reason],
    location: NOWHERE,
    observations: [],
    withheld: each,
  }));
  const marked = findMarks(text);
  if (marked.length === 0) return withheld;
  const judge = compileEvaluator(policy);
  const allowed = record.observations.filter((each) => judge(record.flowOf(each)).action === 'allow');
  const rules = allowRules(text);
  const boxes = boxesByRule(text, policy);
  const items = new Map<string, ReviewItem>();
  for (const { marks, location } of marked) {
    const rule = nameOf(rules[location.rule]!);
    const wanted = boxes.filter(
      (each) =>
        each.location.rule === location.rule &&
        (location.entry === undefined || each.location.entry === location.entry),
    );
    const matches = compileEvaluator({ ...policy, boxes: wanted.map(({ box }) => box) });
    const held = allowed.filter((each) => matches(record.flowOf(each)).action === 'allow');
    const odd = held.filter((each) => record.reasons(each).length > 0);
    const added = marks.filter((mark) => mark.startsWith('added: '));
    const scope = begun.get(rule) ?? (odd.length > 0 ? 'odd' : 'whole');
    const asked = added.length > 0 || scope === 'whole' ? held : odd;
    const item = (destination: string): ReviewItem => {
      const key = JSON.stringify([location, destination]);
      const known = items.get(key) ?? { rule, destination, reasons: [], location, observations: [] };
      items.set(key, known);
      return known;
    };
    for (const observation of asked) {
      const { observations, reasons } = item(observedDestination(observation));
      observations.push(observation);
      const all = [...added, ...record.reasons(observation)];
      for (const reason of all.length > 0 ? all : marks) if (!reasons.includes(reason)) reasons.push(reason);
    }
    if (asked.length === 0 && !begun.has(rule)) item(EVERYTHING).reasons.push(...marks);
  }
  return [...items.values(), ...withheld];
}

/** Where no rule is. */
const NOWHERE: RuleLocation = { rule: -1 };

/** What is known of an item; undefined where nothing is. Distinct hours are no fewer than this. */
export function evidenceOf({ observations }: ReviewItem): (Evidence & { hours: number }) | undefined {
  if (observations.length === 0) return undefined;
  const hours = observations.reduce((most, each) => Math.max(most, elapsedHours(each.hours, each)), 0);
  return Object.assign(sumEvidence(observations), { hours });
}

/** Items of one mark with the same reasons, which one question can settle. */
export function groupItems(items: readonly ReviewItem[]): ReviewItem[][] {
  const groups = new Map<string, ReviewItem[]>();
  for (const item of items) {
    const key = JSON.stringify([item.rule, item.from, item.location, item.reasons]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}

/** The allow boxes of a policy with their places in its text. */
export function boxesByRule(text: string, policy: Policy): { box: Box; location: RuleLocation }[] {
  const boxes = policy.boxes.filter(({ action }) => action === 'allow');
  const result: { box: Box; location: RuleLocation }[] = [];
  for (const [rule, { sockets, to }] of allowRules(text).entries()) {
    for (const entry of (to ?? []).keys()) {
      result.push({ box: boxes[result.length]!, location: { rule, entry } });
    }
    // The box of `sockets`, or that of a rule for any destination.
    if (sockets !== undefined || to === undefined || to.length === 0) {
      result.push({ box: boxes[result.length]!, location: { rule } });
    }
  }
  return result;
}

/** Rules without a name are known by whom they are for: their numbers change when one goes. */
function nameOf({ from, name }: RuleDocument): string {
  return name ?? `rule without a name ${printRule({ ...(from && { from }) })}`;
}
