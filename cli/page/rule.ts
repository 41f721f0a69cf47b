import { flowOf } from '../../generator/subject/flow.ts';
import { destinationAddress } from '../../generator/destination/destination.ts';
import type { ReviewItem } from '../../generator/review/review.ts';
import type { Parsed } from '../../policy/file/parse.ts';
import { compileEvaluator } from '../../policy/meaning/evaluator.ts';
import type { AccountTable, Box, Policy } from '../../policy/meaning/policy.ts';
import { formatAddress } from '../../policy/value/address.ts';
import { sizeOf } from '../../policy/value/cidr.ts';
import { mergePrefixes } from '../../policy/value/prefix-set.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import type { PageRule } from './html/page-data.ts';

/** What the rules of a policy are shown with. */
export interface RuleInput {
  text: string;
  parsed: Required<Parsed>;
  /** With what its paths lead to. */
  policy: Policy;
  observations: readonly RecordedObservation[];
  accounts: AccountTable;
  marks: readonly ReviewItem[];
}

interface Usage {
  events: number;
  subjects: Set<unknown>;
  addresses: Set<string>;
  first: number;
  last: number;
}

/** The rules in the order of the file, each with its text and what it decides of the observations. */
export function rulesOf({ accounts, marks, observations, parsed, policy, text }: RuleInput): PageRule[] {
  const used = usageOf(policy, observations, accounts);
  const texts = textsOf(text, parsed);
  const boxes = new Map<string, Box[]>();
  for (const box of policy.boxes) {
    const known = boxes.get(box.name);
    if (known === undefined) boxes.set(box.name, [box]);
    else known.push(box);
  }
  return Array.from(boxes, ([name, own]): PageRule => {
    const usage = used.get(name);
    return {
      name,
      action: own[0]!.action,
      text: texts.get(name) ?? '',
      events: usage?.events ?? 0,
      subjects: usage?.subjects.size ?? 0,
      seen: usage?.addresses.size ?? 0,
      allowed: addressesOf(own),
      ...(usage && { first: usage.first, last: usage.last }),
      marks: marks.filter((mark) => mark.rule === name),
    };
  });
}

function usageOf(
  policy: Policy,
  observations: readonly RecordedObservation[],
  accounts: AccountTable,
): Map<string, Usage> {
  const evaluate = compileEvaluator(policy);
  const used = new Map<string, Usage>();
  for (const observation of observations) {
    const { box } = evaluate(flowOf(observation, accounts));
    if (box === undefined) continue;
    const { count, first, last, socket, subject } = observation;
    const { name } = policy.boxes[box]!;
    const usage = used.get(name) ?? { events: 0, subjects: new Set(), addresses: new Set(), first, last };
    usage.events += count;
    usage.subjects.add(subject);
    if (socket === undefined) usage.addresses.add(formatAddress(destinationAddress(observation)));
    usage.first = Math.min(usage.first, first);
    usage.last = Math.max(usage.last, last);
    used.set(name, usage);
  }
  return used;
}

/** How many addresses boxes name; undefined where one of them names none, so that it means all. */
function addressesOf(boxes: readonly Box[]): bigint | undefined {
  const places = boxes.filter(({ to }) => to.sockets === undefined);
  if (places.some(({ to }) => to.prefixes === undefined)) return undefined;
  return mergePrefixes(places.flatMap(({ to }) => to.prefixes!)).reduce(
    (sum, each) => sum + sizeOf(each),
    0n,
  );
}

/** The lines of each rule in the file, up to where the next one begins. */
function textsOf(text: string, { locationOf, policy }: Required<Parsed>): Map<string, string> {
  const lines = text.split('\n');
  const begins = new Map<string, number>();
  for (const [index, { name }] of policy.boxes.entries()) {
    // The file's place of a box is its destination, inside the rule.
    const begin = ruleBegin(lines, locationOf(index).line - 1);
    begins.set(name, Math.min(begin, begins.get(name) ?? Number.POSITIVE_INFINITY));
  }
  const all = [...new Set(begins.values())].sort((a, b) => a - b);
  const nextOf = new Map(all.map((begin, at) => [begin, all[at + 1] ?? lines.length]));
  return new Map(
    Array.from(begins, ([name, begin]) => [name, ruleLines(lines.slice(begin, nextOf.get(begin)))]),
  );
}

/** The line of the list item that a line is in, as people and `generate` write rules, with the comments above it. */
function ruleBegin(lines: readonly string[], at: number): number {
  let begin = at;
  let indent = indentOf(lines[at] ?? '');
  while (begin > 0 && !/^ *- +(?:name|from|to|sockets):/.test(lines[begin]!)) {
    begin -= 1;
    const line = lines[begin]!;
    if (/^ *(?:#|$)/.test(line)) continue;
    // What stands further to the left and is no item is the key of the list: the rule is in one line.
    if (indentOf(line) < indent && /^ *[a-z]+: *$/.test(line) && !/^ *(?:from|to): *$/.test(line)) return at;
    indent = Math.min(indent, indentOf(line));
  }
  while (begin > 0 && /^ +#/.test(lines[begin - 1]!)) begin -= 1;
  return begin;
}

function indentOf(line: string): number {
  return Math.max(0, line.search(/\S/));
}

/** Up to where a line stands further to the left than the first one: there the list of rules ends. */
function ruleLines(lines: readonly string[]): string {
  const indent = indentOf(lines[0] ?? '');
  const end = lines.findIndex((line, at) => at > 0 && line.trim() !== '' && indentOf(line) < indent);
  return lines
    .slice(0, end < 0 ? undefined : end)
    .map((line) => line.slice(Math.min(indent, indentOf(line))))
    .join('\n')
    .trimEnd();
}
