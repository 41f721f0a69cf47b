import { visible } from '../../error/visible.ts';
import { formatCount } from '../../format/number.ts';
import type { Drift } from '../../generator/drift/drift.ts';
import type { Finding, FindingKind } from '../../generator/drift/finding/finding.ts';
import { lackLine } from '../../generator/header.ts';
import { isEventLoss } from '../../profiler/read/read.ts';
import { eventsOf } from '../../generator/drift/entry.ts';
import type { Evidence } from './evidence.ts';
import type { Selection } from './selection.ts';

/** The last lines of a report, on standard error: what was found, what was left out, and what the record lacks. */
export function summary(
  drift: Drift,
  { acknowledged, expired, findings, known }: Selection,
  { hidden, losses, observations }: Evidence,
): string {
  const total = formatCount(eventsOf(observations), 'event');
  const lines: string[] = [];
  const leftOut = acknowledged.length + known;
  if (drift.new.length + drift.denied.length + drift.disagreed.length > 0) {
    const disagreed = drift.disagreed.length > 0 ? `, ${drift.disagreed.length} disagreed` : '';
    lines.push(`Drift: ${drift.new.length} new, ${drift.denied.length} denied${disagreed}, in ${total}.`);
  } else if (leftOut > 0) lines.push(`Nothing else, in ${total}.`);
  else if (observations.length > 0)
    lines.push(`No drift: the policy allows all that was recorded (${total}).`);
  else lines.push('No drift to see: nothing was recorded in this window.');
  lines.push(...describeOthers(findings));
  if (acknowledged.length > 0) lines.push(`Acknowledged: ${formatCount(acknowledged.length, 'finding')}.`);
  if (expired > 0)
    lines.push(`No longer acknowledged: ${formatCount(expired, 'finding')}, whose day has come.`);
  if (known > 0) lines.push(`Reported before: ${formatCount(known, 'finding')}.`);
  const shared = drift.shared.reduce((sum, { count }) => sum + count, 0);
  if (shared > 0)
    lines.push(`Allowed by a name that only others asked for: ${formatCount(shared, 'event')}.`);
  if (hidden > 0) {
    lines.push(`Denied too: ${formatCount(hidden, 'UDP connect')} with nothing sent; list with --intents.`);
  }
  const lacking = lackLine(losses.filter(isEventLoss)).trimEnd();
  if (lacking !== '') lines.push(lacking);
  const answers = losses.filter(({ kind }) => kind === 'answer').reduce((sum, { count }) => sum + count, 0);
  if (answers > 0) {
    lines.push(`${formatCount(answers, 'answer')} of resolvers were not read: names may be missing.`);
  }
  return `${lines.join('\n')}\n`;
}

/** Kinds that the first line does not count by themselves. */
const OTHERS: readonly FindingKind[] = ['identity changed', 'moved', 'surge', 'unused'];

/** `Among them: 1 moved. Also: 2 unused.` */
function describeOthers(findings: readonly Finding[]): string[] {
  const counts = OTHERS.map((kind) => ({
    kind,
    count: findings.filter((each) => each.kind === kind).length,
  }));
  const text = (kinds: readonly FindingKind[]): string =>
    counts
      .filter(({ count, kind }) => count > 0 && kinds.includes(kind))
      .map(({ count, kind }) => `${count} ${kind}`)
      .join(', ');
  const [among, beside] = [text(['identity changed', 'moved']), text(['surge', 'unused'])];
  return [
    ...(among === '' ? [] : [`Among them: ${among}.`]),
    ...(beside === '' ? [] : [`Allowed, but worth a look: ${beside}.`]),
  ];
}

/** Names that one line has at the most. */
const MOST_NAMES = 8;

/** Names of a policy that were never seen, as one line; nothing where there are none. */
export function describeUnseen(names: readonly string[]): string {
  if (names.length === 0) return '';
  const rest = names.length - MOST_NAMES;
  const more = rest > 0 ? ` and ${rest} more` : '';
  return (
    visible(`Names of the policy that were never seen: ${names.slice(0, MOST_NAMES).join(', ')}${more}.`) +
    '\n'
  );
}
