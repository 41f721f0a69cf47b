import { destinationText, type RuleDocument, type ToDocument } from '../../../policy/file/document.ts';
import { type Addition, appendRules } from '../../../policy/file/edit/append.ts';
import { allowRules, removeRule, replaceEntry } from '../../../policy/file/edit/edit.ts';
import { parseAddress } from '../../../policy/value/address.ts';
import { prefixOf } from '../../../policy/value/cidr.ts';
import { parseKeep } from '../../../policy/value/keep.ts';
import { hasPorts } from '../../../policy/value/protocol.ts';
import type { Policy, To } from '../../../policy/meaning/policy.ts';
import { type Allowed, type Case, compare, type Comparison, type Naming } from '../drift.ts';
import type { DriftObservation } from '../entry.ts';
import type { Finding } from './finding.ts';

/** A policy's text, changed, and what of the accepted findings the change settles. */
export interface Suggestion<F extends Finding> {
  text: string;
  settled: F[];
  /** With the reason. */
  left: { finding: F; reason: string }[];
}

/** What a suggestion is checked by. */
export interface SuggestionInput {
  /** The text of a policy of version 2 with rules. */
  text: string;
  /** The comparison that the findings come from, and all that it was made of. */
  comparison: Comparison;
  observations: readonly DriftObservation[];
  naming: Naming;
  /** The policy that a text is, with links followed. */
  read: (text: string) => Policy | undefined;
}

/**
 * Changes a policy so that accepted findings are settled: destinations are added to rules of the same subject, or as rules
 * of their own; what is unused is taken out. A change stays only if its finding is gone and nothing else that is allowed
 * would be denied, whatever else the text of the policy says. Comments stay.
 */
export function suggest<F extends Finding>(accepted: readonly F[], input: SuggestionInput): Suggestion<F> {
  const whole = settleAll(accepted, input.text, input);
  if (whole.text !== undefined) return { ...whole, text: whole.text };
  // One of them does not do: each by itself.
  const suggestion: Suggestion<F> = { text: input.text, settled: [], left: [] };
  for (const finding of accepted) {
    const { left, reason, settled, text } = settleAll([finding], suggestion.text, input);
    if (text === undefined) suggestion.left.push({ finding, reason: reason! });
    else suggestion.text = text;
    suggestion.left.push(...left);
    suggestion.settled.push(...(text === undefined ? [] : settled));
  }
  return suggestion;
}

/** All changes at once. Without a text they do not do, for a reason. */
interface Settlement<F extends Finding> extends Omit<Suggestion<F>, 'text'> {
  text?: string;
  reason?: string;
}

type Outcome = { text: string } | { reason: string };

function settleAll<F extends Finding>(
  findings: readonly F[],
  text: string,
  input: SuggestionInput,
): Settlement<F> {
  const settlement: Suggestion<F> = { text, settled: [], left: [] };
  for (const finding of findings) {
    const outcome = change(finding, settlement.text, input);
    if ('reason' in outcome) {
      settlement.left.push({ finding, reason: outcome.reason });
      continue;
    }
    settlement.text = outcome.text;
    settlement.settled.push(finding);
  }
  const reason = settlement.settled.length === 0 ? undefined : fault(settlement, text, input);
  if (reason === undefined) return settlement;
  return { settled: settlement.settled, left: settlement.left, reason };
}

/** What is wrong with a changed text; undefined where nothing is. */
function fault(
  { settled, text }: Suggestion<Finding>,
  before: string,
  { naming, observations, read }: SuggestionInput,
): string | undefined {
  const policy = read(text);
  if (policy === undefined) return 'the changed policy would not parse';
  const after = compare(policy, observations, naming);
  const entries = new Set(settled.flatMap((each) => each.entries.map(entryText)));
  if (after.cases.some(({ entry, part }) => part !== 'disagreed' && entries.has(entryText(entry))))
    return 'a rule for it would not allow it';
  const allowed = new Set(after.allowed.map(({ observation }) => observation));
  const lost = compare(read(before)!, observations, naming).allowed.filter(
    ({ observation }) => !allowed.has(observation),
  );
  if (lost.some((each) => !settled.some((finding) => isSilent(each, finding))))
    return 'allowed traffic would be denied';
  return undefined;
}

function entryText({ address, port, protocol, socket, subject }: Case['entry']): string {
  return JSON.stringify([subject, address, port, protocol, socket]);
}

/** Whether it is traffic from before a silence. */
function isSilent({ observation }: Allowed, { kind, last }: Finding): boolean {
  return kind === 'unused' && last !== undefined && observation.last <= last;
}

function change(finding: Finding, text: string, { comparison }: SuggestionInput): Outcome {
  switch (finding.kind) {
    case 'new':
    case 'denied':
    case 'moved':
    case 'identity changed':
      return addition(finding, text, comparison);
    case 'unused':
      return removal(finding, text);
    case 'disagreed':
      return {
        reason: 'the kernel and the text of the policy disagree: no change of the text is known to settle it',
      };
    case 'surge':
      return { reason: 'each of its connections is allowed' };
    case 'shared':
      return { reason: 'which name it should be allowed is not known' };
  }
}

function addition(finding: Finding, text: string, { cases }: Comparison): Outcome {
  if (finding.rule?.relation === 'denied by')
    return { reason: `deny rule "${finding.rule.name}" is meant to stop it` };
  const own = cases.filter(({ entry }) => finding.entries.includes(entry));
  const from = own[0]?.party.from;
  if (from === undefined) return { reason: 'no rule can name the subject' };
  const { name } = own[0]!.party;
  const rule: Addition = { name, from: from as NonNullable<RuleDocument['from']> };
  const { socket } = finding.entries[0]!;
  if (socket !== undefined) rule.sockets = [socket];
  else rule.to = destinationsOf(own);
  return { text: appendRules(text, 'allow', [rule]) };
}

/** By name where rules for the subject go by names, else by all addresses at once. */
function destinationsOf(cases: readonly Case[]): ToDocument[] {
  const [{ entry, flow }] = cases as [Case];
  const rest: To = {
    ...(hasPorts(flow.protocol) && { ports: [{ first: flow.port, last: flow.port }] }),
    protocols: [flow.protocol],
  };
  const [name] = entry.names ?? [];
  const expired = /^expired, keep would have to be (.+)$/.exec(entry.nameDrift ?? '');
  if (name !== undefined && (entry.nameDrift === 'new name' || expired !== null)) {
    const keep = expired === null ? undefined : parseKeep(expired[1]!);
    return [destinationText({ names: [name], ...(keep !== undefined && { keep }), ...rest })];
  }
  const prefixes = cases.map((each) => prefixOf(parseAddress(each.entry.address!)!));
  return [destinationText({ prefixes, ...rest })];
}

function removal(finding: Finding, text: string): Outcome {
  const [, rule, key, value] = JSON.parse(finding.key) as [string, string, string?, string?];
  const rules = allowRules(text);
  const index = rules.findIndex(({ name }, place) => (name ?? `allow[${place}]`) === rule);
  if (index < 0) return { reason: `rule "${rule}" was not found by its name` };
  if (key === undefined || value === undefined) return { text: removeRule(text, index) };
  if (key !== 'cidr' && key !== 'port' && key !== 'name') return { reason: `its list ${key} is left to you` };
  for (const [entry, to] of (rules[index]!.to ?? []).entries()) {
    const list = to[key] as unknown[] | undefined;
    const kept = list?.filter((each) => !isSame(key, String(each), value));
    if (list === undefined || kept === undefined || kept.length === list.length) continue;
    const rest = kept.length === 0 ? [] : [{ ...to, [key]: kept } as ToDocument];
    return { text: replaceEntry(text, { rule: index, entry }, rest) };
  }
  return { reason: 'the rule has it from a set, or in another form' };
}

/** Whether a value of a list is the one that is meant; an address alone is a prefix too. */
function isSame(key: string, written: string, meant: string): boolean {
  if (written === meant) return true;
  const alone = parseAddress(written);
  return key === 'cidr' && alone !== undefined && `${written}/${alone.family === 4 ? 32 : 128}` === meant;
}
