import { BouhekiError } from '../../error/error.ts';
import { printJson } from '../../error/visible.ts';
import { formatCount, formatNumber } from '../../format/number.ts';
import type { RuleDocument, ToDocument } from '../../policy/file/document.ts';
import { appendRules } from '../../policy/file/edit/append.ts';
import { extendName } from '../../policy/file/limit.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { printFrom, printRule } from '../../policy/file/print.ts';
import { FROM } from '../../policy/meaning/dimension.ts';
import { NAME_DEFAULTS } from '../../policy/meaning/known-name.ts';
import type { From } from '../../policy/meaning/policy.ts';
import { parseAddress } from '../../policy/value/address.ts';
import { isNameGlob, readNamePattern } from '../../policy/value/host-name.ts';
import { formatKeep, parseKeep } from '../../policy/value/keep.ts';
import { hasPorts, parseProtocol } from '../../policy/value/protocol.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { observedDestination } from '../destination/destination.ts';
import { keepFor, sumEvidence } from '../subject/evidence.ts';
import { groupsOf, inStableOrder } from '../subject/order.ts';
import { withIgnored } from './ignored.ts';

/** What too few hosts showed of one subject, for each set of hosts. */
export interface FewHosts {
  name: string;
  from: From;
  shown: { hosts: readonly string[]; observations: readonly RecordedObservation[] }[];
}

/** What a line says: a line for each subject, JSON, as there may be many thousands of destinations. */
interface Line {
  rule: string;
  from: Record<string, (string | number)[]>;
  /** Hosts that count. */
  of: number;
  shown: Part[];
}

interface Part {
  by: string[];
  /** How long names count, as `to` has it; absent: the usual time, or destinations without a name. */
  keep?: string;
  events: number;
  /** As `observedDestination` writes them. */
  to: string[];
}

const WITHHELD = /^# withheld: (.*)$/gm;

/**
 * What is not granted as too few hosts showed it, as a line of the head of a policy, without its `# `: `withheld:
 * {"rule":"/usr/bin/curl uid 0","from":{...},"of":200,"shown":[{"by":["web-17"],"events":41,"to":["192.0.2.1:443/tcp"]}]}`.
 */
export function withheldLine({ from, name, shown }: FewHosts, of: number): string {
  const line: Line = {
    rule: name,
    from: { ...from },
    of,
    shown: shown.flatMap(({ hosts, observations }) => {
      const places = groupsOf(inStableOrder(observations), observedDestination);
      return [...groupsOf([...places], ([, each]) => neededKeepOf(each))].map(([keep, each]) => {
        const part: Part = {
          by: [...hosts],
          events: sumEvidence(each.flatMap(([, shownThere]) => shownThere)).count,
          to: each.map(([destination]) => destination),
        };
        if (keep !== '') part.keep = keep;
        return part;
      });
    }),
  };
  return `withheld: ${printJson(line)}`;
}

/** For how long the name of a destination must count; empty where the usual time is enough, and for an address. */
function neededKeepOf(observations: readonly RecordedObservation[]): string {
  if (observations[0]!.name === undefined) return '';
  const keep = keepFor(observations);
  return keep > NAME_DEFAULTS.keep ? formatKeep(keep) : '';
}

/** One destination of a subject that was withheld. */
export interface WithheldItem {
  /** Of the subject. */
  rule: string;
  /** `192.0.2.1:443/tcp on web-17`: with the hosts, so that a decision is about these. */
  destination: string;
  /** For whom an answer would allow it. */
  from: string;
  reason: string;
  /** `1 of 200 hosts, 41 events`: of all destinations that the same hosts showed. */
  facts: string;
  /** What stands in the file, and where in it. */
  line: string;
  part: number;
  to: string;
}

/** What is withheld in a policy, a destination each. Throws BouhekiError `policy` for a line that cannot be read. */
export function withheldItems(text: string): WithheldItem[] {
  return [...text.matchAll(WITHHELD)].flatMap(([line]) => {
    let items = known.get(line);
    if (items === undefined) {
      if (known.size > MOST_KNOWN) known.clear();
      known.set(line, (items = itemsOf(line)));
    }
    return items;
  });
}

/** What lines say: after each of many decisions all but one are the same. */
const known = new Map<string, WithheldItem[]>();
const MOST_KNOWN = 10_000;

function itemsOf(line: string): WithheldItem[] {
  const { from, of, rule, shown } = readLine(line);
  const who = printFrom(from);
  return shown.flatMap(({ by, events, keep, to }, part) => {
    const hosts = by.join(', ');
    const count = `${formatNumber(by.length)} of ${formatCount(of, 'host')}`;
    return to.map((each) => ({
      rule,
      destination: `${each} on ${hosts}`,
      from: who,
      reason: `withheld: shown by ${count}: ${hosts}`,
      facts: `${count}, ${formatCount(events, 'event')}${keep === undefined ? '' : `, keep ${keep}`}`,
      line,
      part,
      to: each,
    }));
  });
}

function readLine(line: string): Line {
  try {
    const value = JSON.parse(line.slice(line.indexOf('{'))) as unknown;
    if (isLine(value)) return value;
  } catch {
    // It is said below.
  }
  throw unreadable(line);
}

function isLine(value: unknown): value is Line {
  const { from, of, rule, shown } = Object(value) as Record<string, unknown>;
  return (
    typeof rule === 'string' &&
    typeof of === 'number' &&
    typeof from === 'object' &&
    from !== null &&
    isFrom(from) &&
    Array.isArray(shown) &&
    shown.every(isPart)
  );
}

/** A dimension that is left out would make the rule wider, and without any it would be for every process. */
function isFrom(from: object): boolean {
  const values: unknown[] = Object.values(from);
  return (
    values.length > 0 &&
    Object.keys(from).every((key) => Object.hasOwn(FROM, key)) &&
    values.every((each) => Array.isArray(each) && each.length > 0 && each.every(isValue))
  );
}

function isValue(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number';
}

function isPart(value: unknown): value is Part {
  const { by, events, keep, to } = Object(value) as Record<string, unknown>;
  return (
    areTexts(by) &&
    typeof events === 'number' &&
    areTexts(to) &&
    to.every(isDestination) &&
    (keep === undefined || isKeep(keep))
  );
}

function isKeep(value: unknown): boolean {
  return typeof value === 'string' && parseKeep(value) !== undefined;
}

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isDestination(text: string): boolean {
  return reachOf(text) !== undefined;
}

/**
 * What a rule has for a destination as `observedDestination` writes it, for a name with the time that it counts; undefined
 * where it is none.
 */
function reachOf(text: string, keep?: string): Pick<RuleDocument, 'to' | 'sockets'> | undefined {
  const [, kind] = /^(\S+) socket$/.exec(text) ?? [];
  if (kind !== undefined) return { sockets: [kind] };
  const [, place, protocol] = /^(.+)\/([^/]+)$/.exec(text) ?? [];
  const number = protocol === undefined ? undefined : parseProtocol(protocol);
  if (place === undefined || number === undefined) return undefined;
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(place) ?? [];
  const where = hasPorts(number) ? (bracketed ?? plain) : place;
  const at = where === undefined ? undefined : (addressEntry(where) ?? nameEntry(where, keep));
  if (at === undefined) return undefined;
  const entry: ToDocument = { ...at, protocol: [protocol!] };
  if (hasPorts(number)) entry.port = [Number(port)];
  return { to: [entry] };
}

function addressEntry(text: string): ToDocument | undefined {
  return parseAddress(text) === undefined ? undefined : { cidr: [text] };
}

function nameEntry(text: string, keep?: string): ToDocument | undefined {
  const reading = readNamePattern(text);
  return 'pattern' in reading && reading.pattern === text && !isNameGlob(text)
    ? { name: [text], ...(keep !== undefined && { keep }) }
    : undefined;
}

/** `everywhere`: allow it on all hosts. `where-seen`: on those that showed it. */
export type WithheldDecision = 'everywhere' | 'where-seen' | 'deny' | 'ignore';

/** The text after a decision on a destination that was withheld, which is withheld no more. */
export function settleWithheld(text: string, item: WithheldItem, decision: WithheldDecision): string {
  const line = readLine(item.line);
  const { by, keep } = line.shown[item.part]!;
  const rule = { name: line.rule, from: line.from, ...reachOf(item.to, keep) };
  requireRule(rule, item.line);
  const left = withoutPart(text, line, item);
  switch (decision) {
    case 'everywhere':
      return appendRules(left, 'allow', [rule]);
    case 'where-seen': {
      const name = extendName(line.rule, ` on ${by.join(', ')}`);
      return appendRules(left, 'allow', [{ ...rule, name, from: { ...line.from, host: by } }]);
    }
    case 'deny':
      // A deny rule knows no names.
      if (rule.to?.some(({ name }) => name !== undefined)) return settleWithheld(text, item, 'ignore');
      return appendRules(left, 'deny', [{ ...rule, name: extendName(line.rule, ' (denied)') }]);
    case 'ignore': {
      const { name: _, ...rest } = rule;
      return withIgnored(left, rest);
    }
  }
}

/** A line that was edited may be read, and be no rule all the same. */
function requireRule(rule: RuleDocument, line: string): void {
  const { policy } = parsePolicy(`version: 2\nnetwork:\n  allow:\n    ${printRule(rule)}\n`, 'withheld');
  if (policy === undefined) throw unreadable(line);
}

function unreadable(line: string): BouhekiError {
  return new BouhekiError('policy', `the comment "${line.slice(0, 200)}" cannot be read`, {
    remedy: 'Mend or remove it.',
  });
}

function withoutPart(text: string, line: Line, { line: written, part, to }: WithheldItem): string {
  const shown = line.shown.flatMap((each, at) => {
    if (at !== part) return [each];
    const rest = each.to.filter((destination) => destination !== to);
    return rest.length === 0 ? [] : [{ ...each, to: rest }];
  });
  if (shown.length === 0) return text.replace(`${written}\n`, '');
  return text.replace(written, () => `# withheld: ${printJson({ ...line, shown })}`);
}
