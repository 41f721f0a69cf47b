import { BouhekiError } from '../error/error.ts';
import { formatTime } from '../format/moment.ts';
import { formatCount } from '../format/number.ts';
import { appendRules, listOf, networkOf, type Addition } from '../policy/file/edit/append.ts';
import { FLAT_KEYS } from '../policy/file/document.ts';
import { findMarks } from '../policy/file/edit/edit.ts';
import { extendName } from '../policy/file/limit.ts';
import { plainLines } from '../format/line-end.ts';
import { compileEvaluator } from '../policy/meaning/evaluator.ts';
import { parsePolicy } from '../policy/file/parse.ts';
import type { AccountTable, Policy } from '../policy/meaning/policy.ts';
import type { RecordedObservation } from '../profiler/read/read.ts';
import { joinAddresses, joinNames, type DestinationKind } from './name/by-name.ts';
import { type Evidence, sumEvidence } from './subject/evidence.ts';
import { flowOf } from './subject/flow.ts';
import { ignoredBy } from './review/ignored.ts';
import { OddityFinder } from './subject/oddity.ts';
import { describePeriods } from './subject/period.ts';
import { boxesByRule } from './review/review.ts';
import { entryText } from './rule/reach.ts';
import { coverDemands } from './rule/rule.ts';
import { nameRules } from './rule/rule-name.ts';
import type { Demand } from './subject/select.ts';
import { observedDestination } from './destination/destination.ts';

/** A policy that people have edited. */
export interface BasePolicy {
  text: string;
  policy: Policy;
}

export interface Merged {
  text: string;
  /** Rules and destinations that were added. */
  added: number;
  /** Observations that stay out: a person removed them from the policy, or denied them in it. */
  kept: { demand: Demand; observations: RecordedObservation[] }[];
}

/**
 * Three-way merge of a policy with the record. The base is what people made of what they were offered; what
 * they were offered is what the record holds up to the end of the window in the base's header. So what was
 * seen in that window and is not allowed was taken out by hand and stays out, what was seen since is added,
 * and nothing is ever removed. Observations may be told apart by names: what is new goes by them as `by` says. When there is nothing to add, the text is the base's, byte for byte. Throws
 * BouhekiError `usage` when the base has no rules to add to.
 */
export function mergeWithBase(
  { policy, text }: BasePolicy,
  demands: readonly Demand[],
  evidence: Evidence,
  accounts?: AccountTable,
  by: DestinationKind = 'address',
): Merged {
  refuseLayout(text, policy);
  const judge = compileEvaluator(policy);
  const offered = windowIn(text);
  const ignored = ignoredBy(text);
  const fresh: Demand[] = [];
  const kept: Merged['kept'] = [];
  for (const demand of demands) {
    const open = demand.observations.filter((each) => judge(flowOf(each, accounts)).action === 'deny');
    const out = new Set(
      open.filter(
        (each) =>
          judge(flowOf(each, accounts)).box !== undefined ||
          wasOffered(each, offered) ||
          ignored(flowOf(each, accounts)),
      ),
    );
    const added = open.filter((each) => !out.has(each));
    if (out.size > 0) kept.push({ demand, observations: [...out] });
    if (added.length > 0) fresh.push({ subject: demand.subject, observations: added });
  }
  if (fresh.length === 0) return { text, added: 0, kept };
  const whole = demands.flatMap(({ observations }) => joined(observations, by));
  const { boxes, rules } = coverDemands(
    fresh.map(({ observations, subject }) => ({ subject, observations: joined(observations, by) })),
    new OddityFinder(whole),
  );
  const names = nameRules(rules);
  const taken = new Set(policy.boxes.map(({ name }) => name));
  const additions = rules.flatMap(({ entries, from, observations, sockets }, index): Addition[] => {
    const { count, first } = sumEvidence(observations);
    const comment = `added: ${formatCount(count, 'event')}, ${formatTime(first)}`;
    const to = entries.map((entry) => entryText(entry, entry.observed));
    // Apart, because destinations go to a rule that the policy has.
    return [...(to.length > 0 ? [{ to }] : []), ...(sockets.length > 0 ? [{ sockets }] : [])].map((what) =>
      Object.assign({ comment, name: unusedName(names[index]!, taken), from }, what),
    );
  });
  const lines = plainLines(text);
  const merged = lines.restore(appendRules(withWindow(lines.text, offered, evidence), 'allow', additions));
  assertMarked(
    merged,
    fresh.flatMap(({ observations }) => observations),
    accounts,
  );
  return { text: merged, added: boxes, kept };
}

/** By name where that is asked for and can be: observations may have been told apart by names. */
function joined(apart: readonly RecordedObservation[], by: DestinationKind): RecordedObservation[] {
  return joinNames(joinAddresses(apart), apart, by);
}

/** Throws BouhekiError `usage` for a policy to which nothing can be added that is marked for review. */
function refuseLayout(text: string, { version }: Policy): void {
  const network = networkOf(text);
  const flat = FLAT_KEYS.some((key) => network?.has(key));
  if (version === 2 && flat) {
    throw new BouhekiError('usage', '--base is a flat policy, to which no rule can be added', {
      remedy: 'Generate anew: with --layout flat, or without it for a policy that can be a base.',
    });
  }
  if (version !== 2 || listOf(text, 'allow') === undefined) {
    throw new BouhekiError('usage', '--base is no version 2 policy with rules', {
      remedy: 'Bring it to version 2 with `bouheki check --upgrade`, or generate anew without --base.',
    });
  }
  if (network?.flow !== true) return;
  throw new BouhekiError(
    'usage',
    '--base is JSON, or has its `network` in braces: what is added could not be marked for review',
    {
      remedy: 'Write it as YAML with a line for each key below `network:`, or generate anew without --base.',
    },
  );
}

/** Safe by default: whatever the layout, nothing is added that `review` would not ask about. */
function assertMarked(
  text: string,
  added: readonly RecordedObservation[],
  accounts: AccountTable | undefined,
): void {
  const { policy } = parsePolicy(text, 'merged');
  const marked = new Set(
    findMarks(text)
      .filter(({ marks }) => marks.some((mark) => mark.startsWith('added: ')))
      .map(({ location }) => JSON.stringify(location)),
  );
  const judge = policy && compileEvaluator(policy);
  const locations = new Map(policy && boxesByRule(text, policy).map(({ box, location }) => [box, location]));
  for (const each of added) {
    const { box } = judge?.(flowOf(each, accounts)) ?? {};
    const location = box === undefined ? undefined : locations.get(policy!.boxes[box]!);
    if (location && [location, { rule: location.rule }].some((one) => marked.has(JSON.stringify(one))))
      continue;
    throw new BouhekiError(
      'usage',
      `${observedDestination(each)} cannot be added to this --base with a mark for review`,
      {
        remedy: 'Write the rules of the policy with a line for each, or generate anew without --base.',
      },
    );
  }
}

interface Window {
  first: number;
  last: number;
}

const WINDOW = /^# Window: (\S+ \S+Z) to (\S+ \S+Z)$/m;

/**
 * The window of the record that a policy was made of, to the end of its last second; undefined when it does
 * not say.
 */
function windowIn(text: string): Window | undefined {
  const match = WINDOW.exec(text);
  if (match === null) return undefined;
  const [first, last] = [match[1]!, match[2]!].map((each) => Date.parse(each.replace(' ', 'T')) * 1000);
  if (!Number.isFinite(first) || !Number.isFinite(last)) return undefined;
  return { first: first!, last: last! + 999_999 };
}

function wasOffered({ first, last }: RecordedObservation, window: Window | undefined): boolean {
  return window !== undefined && first <= window.last && last >= window.first;
}

/** The text with a window that spans the old one and the record. */
function withWindow(text: string, old: Window | undefined, evidence: Evidence): string {
  const first = Math.min(old?.first ?? Infinity, evidence.first);
  const last = Math.max(old?.last ?? 0, evidence.last);
  const lines = [`Window: ${formatTime(first)} to ${formatTime(last)}`, ...describePeriods(last - first, [])];
  const line = lines.map((each) => `# ${each}`).join('\n');
  if (old === undefined) return `${line}\n${text}`;
  // What was said of the policy before the merge no longer holds.
  return text
    .replace(/^# (?:Window shorter than|Periodic: |Clock: ).*\n/gm, '')
    .replace(WINDOW, line)
    .replace(/^# Boxes: .*$/m, '# Boxes: merged, see `generate` without --base for the fewest')
    .replace(/^# (?:Events|Hold-out|Readiness|Over-grant|Names): .*\n/gm, '');
}

function unusedName(name: string, taken: Set<string>): string {
  let free = name;
  for (let number = 2; taken.has(free); number++) free = extendName(name, ` (${number})`);
  taken.add(free);
  return free;
}
