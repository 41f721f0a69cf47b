import { formatTime } from '../../format/moment.ts';
import { formatCount, formatNumber } from '../../format/number.ts';
import type { RuleDocument, ToDocument } from '../../policy/file/document.ts';
import { appendRules } from '../../policy/file/edit/append.ts';
import { allowRules } from '../../policy/file/edit/edit.ts';
import { extendName } from '../../policy/file/limit.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { printRule } from '../../policy/file/print.ts';
import type { From } from '../../policy/meaning/policy.ts';
import { BouhekiError } from '../../error/error.ts';
import { formatAddress } from '../../policy/value/address.ts';
import { hasPorts, formatProtocol } from '../../policy/value/protocol.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { destinationAddress } from '../destination/destination.ts';
import { sumEvidence } from '../subject/evidence.ts';
import { compareText, groupsOf, inStableOrder } from '../subject/order.ts';
import { withIgnored } from './ignored.ts';

/** What too few hosts showed of one subject. */
export interface FewHosts {
  name: string;
  from: From;
  hosts: readonly string[];
  observations: readonly RecordedObservation[];
}

/** A line of the head of a policy, and where its rule begins. */
const WITHHELD = /^# withheld \(([^()]*)\): (\{.*\})$/gm;

/**
 * What is not granted as too few hosts showed it, as a line of the head of a policy, without its `# `: a rule for the
 * hosts that did, `withheld (1 of 200 hosts, 41 events, 2026-11-23): { from: { exe: [/usr/bin/curl], host: [web-17] },
 * to: [...] }`.
 */
export function withheldLine({ from, hosts, name, observations }: FewHosts, of: number): string {
  const { count, first, last } = sumEvidence(observations);
  const [begin, end] = [first, last].map((time) => formatTime(time).slice(0, DAY));
  const facts = [
    `${formatNumber(hosts.length)} of ${formatCount(of, 'host')}`,
    formatCount(count, 'event'),
    begin === end ? begin : `${begin} to ${end}`,
  ];
  const sockets = [...new Set(observations.flatMap(({ socket }) => socket ?? []))].sort(compareText);
  const to = destinationsOf(observations.filter(({ socket }) => socket === undefined));
  const rule: RuleDocument = {
    name,
    from: { ...from, host: [...hosts] },
    ...(to.length > 0 && { to }),
    ...(sockets.length > 0 && { sockets }),
  };
  return `withheld (${facts.join(', ')}): ${printRule(rule).slice(2)}`;
}

/** Characters of the date in a time. */
const DAY = '2026-11-21'.length;

/** One entry for each port and protocol. */
function destinationsOf(observations: readonly RecordedObservation[]): ToDocument[] {
  const services = groupsOf(inStableOrder(observations), ({ port, protocol }) => `${protocol} ${port}`);
  return [...services.values()].map((group): ToDocument => {
    const { port, protocol } = group[0]!;
    const cidr = [...new Set(group.map((each) => formatAddress(destinationAddress(each))))];
    const entry: ToDocument = { cidr, protocol: [formatProtocol(protocol)] };
    if (hasPorts(protocol)) entry.port = [port];
    return entry;
  });
}

/** One destination of a withheld rule. */
export interface WithheldItem {
  /** Of the subject. */
  rule: string;
  /** `192.0.2.1:443/tcp on web-17`: with the hosts, so that a decision is about these. */
  destination: string;
  reason: string;
  /** `1 of 200 hosts, 41 events, 2026-11-23`: of all destinations of the line. */
  facts: string;
  /** What stands in the file. */
  line: string;
  /** The same for this destination alone, on its hosts. */
  alone: RuleDocument;
}

/** What is withheld in a policy, a destination each. Throws BouhekiError `policy` for a line that is no rule. */
export function withheldItems(text: string): WithheldItem[] {
  const lines = [...text.matchAll(WITHHELD)];
  if (known.size + lines.length > MOST_KNOWN) known.clear();
  const fresh = lines.filter(([line]) => !known.has(line));
  const rules = fresh.length === 0 ? [] : rulesIn(fresh.map(([, , rule]) => rule!));
  for (const [at, [line, facts]] of fresh.entries()) known.set(line, itemsOf(line, facts!, rules[at]!));
  return lines.flatMap(([line]) => known.get(line) ?? []);
}

/** What lines say: after each of many decisions all but one are the same. */
const known = new Map<string, WithheldItem[]>();
const MOST_KNOWN = 100_000;

function itemsOf(line: string, facts: string, rule: RuleDocument): WithheldItem[] {
  const hosts = (rule.from?.host ?? []).map(String).join(', ');
  const reason = `withheld: shown by ${facts.split(', ')[0]}: ${hosts}`;
  const { from, name = 'withheld' } = rule;
  return partsOf(rule).map(([place, part]): WithheldItem => {
    const alone = { name, ...(from && { from }), ...part };
    return { rule: name, destination: `${place} on ${hosts}`, reason, facts, line, alone };
  });
}

function rulesIn(texts: readonly string[]): RuleDocument[] {
  const list = texts.map((rule) => `    - ${rule}\n`).join('');
  const source = `version: 2\nnetwork:\n  allow:\n${list}`;
  const { policy, problems } = parsePolicy(source, 'withheld');
  if (policy !== undefined) return allowRules(source);
  const fault = problems.find(({ severity }) => severity === 'error');
  const line = texts[(fault?.line ?? 0) - 4] ?? texts[0]!;
  throw new BouhekiError('policy', `the comment "# withheld: ${line}" is no rule: ${fault?.message}`, {
    remedy: 'Mend or remove it.',
  });
}

/** The destinations of a rule, each as it is called, and as a rule has it. */
function partsOf({ sockets = [], to = [] }: RuleDocument): [string, Pick<RuleDocument, 'to' | 'sockets'>][] {
  return [
    ...to.flatMap((entry) =>
      (entry.cidr ?? []).map((address): [string, { to: ToDocument[] }] => {
        const alone = { ...entry, cidr: [address] };
        const port = entry.port === undefined ? '' : `:${String(entry.port[0])}`;
        const text = String(address);
        const written = port !== '' && text.includes(':') ? `[${text}]` : text;
        return [`${written}${port}/${String(entry.protocol?.[0])}`, { to: [alone] }];
      }),
    ),
    ...sockets.map((kind): [string, { sockets: typeof sockets }] => [
      `${String(kind)} socket`,
      { sockets: [kind] },
    ]),
  ];
}

/** `everywhere`: allow it on all hosts. `where-seen`: on those that showed it. */
export type WithheldDecision = 'everywhere' | 'where-seen' | 'deny' | 'ignore';

/** The text after a decision on a destination that was withheld, which is withheld no more. */
export function settleWithheld(text: string, item: WithheldItem, decision: WithheldDecision): string {
  const left = withoutPart(text, item);
  const { from: { host, ...from } = {}, name = 'withheld', sockets, to } = item.alone;
  const rest = { ...(to && { to }), ...(sockets && { sockets }) };
  switch (decision) {
    case 'everywhere':
      return appendRules(left, 'allow', [{ name, from, ...rest }]);
    case 'where-seen':
      return appendRules(left, 'allow', [
        {
          name: extendName(name, ` on ${(host ?? []).map(String).join(', ')}`),
          from: { ...from, ...(host && { host }) },
          ...rest,
        },
      ]);
    case 'deny':
      return appendRules(left, 'deny', [{ name: extendName(name, ' (denied)'), from, ...rest }]);
    case 'ignore':
      return withIgnored(left, { from, ...rest });
  }
}

function withoutPart(text: string, { alone, line }: WithheldItem): string {
  const [, facts, written] = new RegExp(WITHHELD.source, 'm').exec(line)!;
  const [rule] = rulesIn([written!]);
  const sockets = rule!.sockets?.filter((kind) => !alone.sockets?.includes(kind) || alone.to !== undefined);
  const gone = alone.to?.[0];
  const to = rule!.to?.flatMap((entry) => {
    if (gone === undefined || alone.sockets !== undefined || !isSameService(entry, gone)) return [entry];
    const cidr = entry.cidr!.filter((each) => each !== gone.cidr![0]);
    return cidr.length === 0 ? [] : [{ ...entry, cidr }];
  });
  const { name, from } = rule!;
  const some = (to?.length ?? 0) + (sockets?.length ?? 0) > 0;
  const rest = { ...(name !== undefined && { name }), ...(from && { from }) };
  const kept = `# withheld (${facts}): ${printRule({
    ...rest,
    ...(to && to.length > 0 && { to }),
    ...(sockets && sockets.length > 0 && { sockets }),
  }).slice(2)}`;
  return some ? text.replace(line, () => kept) : text.replace(`${line}\n`, '');
}

function isSameService(one: ToDocument, other: ToDocument): boolean {
  return JSON.stringify([one.port, one.protocol]) === JSON.stringify([other.port, other.protocol]);
}
