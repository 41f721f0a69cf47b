import { formatDuration } from '../../../format/duration.ts';
import { formatTime } from '../../../format/moment.ts';
import { formatPercent } from '../../../format/number.ts';
import { HOUR } from '../../../profiler/read/stretch.ts';
import { holdsAt } from '../../../policy/meaning/end.ts';
import type { Box, Policy } from '../../../policy/meaning/policy.ts';
import type { Allowed } from '../drift.ts';
import type { DriftObservation } from '../entry.ts';
import type { Finding } from './finding.ts';
import { type RulePart, partsOf } from './rule-part.ts';
import { type Silence, silenceOf, type WatchedTime } from './silence.ts';

/** A silence is told when it is less likely than this, if nothing has changed. */
const UNLIKELY = 0.001;
/** Shorter ones are nights and weekends, which come by no Poisson process. Microseconds. */
const REST = 72 * HOUR;

/** What is looked at beside traffic. */
export interface UnusedContext {
  watched: WatchedTime;
  /** Microseconds of watched time after which a silence is told whatever its chance. */
  after: number;
  /** What something else has taken the place of, which is told with that. */
  replaced: ReadonlySet<DriftObservation>;
  /** Rules that have ended by this moment, in microseconds since the epoch, are told whatever their traffic was. */
  at: number;
}

/**
 * Allow rules that decide about no connection any more, and of the others the subjects, prefixes, names, ports and kinds
 * of sockets: what was never seen or is silent for long, and what is silent for longer than its past makes likely.
 */
export function unusedFindings(
  policy: Policy,
  allowed: readonly Allowed[],
  context: UnusedContext,
): Finding[] {
  const byBox = new Map<number, Allowed[]>();
  for (const each of allowed) {
    if (each.box === undefined) continue;
    const known = byBox.get(each.box);
    if (known === undefined) byBox.set(each.box, [each]);
    else known.push(each);
  }
  const rules = new Map<string, number[]>();
  for (const [index, { action, name }] of policy.boxes.entries()) {
    if (action === 'allow') rules.set(name, [...(rules.get(name) ?? []), index]);
  }
  return [...rules].flatMap(([rule, boxes]) => {
    const traffic = boxes.flatMap((box) => byBox.get(box) ?? []);
    const ends = boxes.map((box) => policy.boxes[box]!);
    if (ends.every((box) => !holdsAt(box, context.at))) return ended(rule, ends, traffic);
    const whole = findingOf(rule, undefined, traffic, context);
    if (whole !== undefined || isReplaced(traffic, context)) return whole ?? [];
    const parts = partsOf(boxes.map((box) => ({ box: policy.boxes[box]!, traffic: byBox.get(box) ?? [] })));
    return parts.flatMap((part) => findingOf(rule, part, part.traffic, context) ?? []);
  });
}

/** A rule that has ended by itself. */
function ended(rule: string, boxes: readonly Box[], traffic: readonly Allowed[]): Finding {
  const until = boxes.reduce((latest, box) => Math.max(latest, box.until!), 0);
  const last = traffic.reduce((latest, { observation }) => Math.max(latest, observation.last), 0);
  return {
    ...unusedOf(rule, undefined),
    ...(last > 0 && { last }),
    evidence: [`ended by itself at ${formatTime(until)}, and allows nothing any more`],
    suggestion: `take rule "${rule}" out, or give it a later until`,
  };
}

/** Whether all that was seen has been replaced by something else. */
function isReplaced(traffic: readonly Allowed[], { replaced }: UnusedContext): boolean {
  return traffic.length > 0 && traffic.every(({ observation }) => replaced.has(observation));
}

function findingOf(
  rule: string,
  part: RulePart | undefined,
  traffic: readonly Allowed[],
  context: UnusedContext,
): Finding | undefined {
  if (isReplaced(traffic, context)) return undefined;
  const silence = silenceOf(
    traffic.map(({ observation }) => observation),
    context.watched,
  );
  const isUnlikely = silence.length > REST && (silence.chance ?? 1) < UNLIKELY;
  if (silence.length < context.after && !isUnlikely) return undefined;
  return {
    ...unusedOf(rule, part),
    ...(silence.last !== undefined && { last: silence.last }),
    evidence: evidenceOf(silence),
    suggestion:
      part === undefined
        ? `take rule "${rule}" out`
        : `take ${part.text} out of ${part.key} of rule "${rule}"`,
  };
}

/** What all findings about a rule or a part of it have. */
function unusedOf(rule: string, part: RulePart | undefined): Omit<Finding, 'evidence' | 'suggestion'> {
  return {
    kind: 'unused',
    severity: 'low',
    key: JSON.stringify(['unused', rule, ...(part === undefined ? [] : [part.key, part.text])]),
    subject: `rule ${rule}`,
    destination: part === undefined ? 'the whole rule' : `${part.key} ${part.text}`,
    rule: { name: rule, relation: 'allowed by' },
    count: 0,
    entries: [],
  };
}

function evidenceOf({ chance, last, length }: Silence): string[] {
  const watched = formatDuration(Math.floor(length / 1e6));
  if (last === undefined) return [`never seen in ${watched} of the record`];
  const likely = chance! < 0.000_005 ? 'less than 0.001 %' : formatPercent(chance!);
  return [`silent since ${formatTime(last)}, for ${watched} of the record; chance of that: ${likely}`];
}
