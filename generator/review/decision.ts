import { printJson } from '../../error/visible.ts';
import { BouhekiError } from '../../error/error.ts';
import { formatPrefix, parsePrefix, type Prefix } from '../../policy/value/cidr.ts';

/**
 * `allow` leaves the policy as it is; `ignore` takes the destination out, `deny` denies it as well. Of what was withheld
 * `allow` allows it on all hosts, and `where-seen` on those that showed it.
 */
export type DecisionKind = 'allow' | 'deny' | 'ignore' | 'narrow' | 'widen' | 'where-seen';

/** What a decision is about: a destination of a rule. */
export interface Decided {
  rule: string;
  destination: string;
  /** Of what was withheld: for whom it would be allowed, as `printFrom` writes it. Names of rules do not say it all. */
  from?: string;
}

/** A person's decision about a destination of a rule. */
export interface Decision extends Decided {
  decision: DecisionKind;
  /** What to widen to. */
  cidr?: Prefix;
}

const KINDS: readonly string[] = [
  'allow',
  'deny',
  'ignore',
  'narrow',
  'widen',
  'where-seen',
] satisfies DecisionKind[];

/** The line that takes an earlier one back. */
export function printUndone(decided: Decided): string {
  return `${printJson({ ...decidedOf(decided), decision: UNDO })}\n`;
}

const UNDO = 'undo';

/** One decision as a line of a file of decisions. */
export function printDecision({ cidr, decision, ...decided }: Decision): string {
  return `${printJson({ ...decidedOf(decided), decision, ...(cidr && { cidr: formatPrefix(cidr) }) })}\n`;
}

/** What a decision is about, alone. */
export function decidedOf({ destination, from, rule }: Decided): Decided {
  return { rule, destination, ...(from !== undefined && { from }) };
}

/**
 * A file of decisions: an object of JSON a line; empty lines and lines that begin with `#` are left out. A
 * later decision on the same destination of the same rule takes the place of an earlier one, and `undo` takes
 * it away. How decisions changed the policy is left to `lastChange`. Throws BouhekiError `usage` with the line.
 */
export function parseDecisions(text: string, file: string): Decision[] {
  const decisions = new Map<string, Decision>();
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const decision = parseDecision(line);
    if (typeof decision === 'string') {
      throw new BouhekiError('usage', `${file}:${at + 1}: ${decision}`, {
        remedy:
          'A line is {"rule":"NAME","destination":"192.0.2.1:443/tcp","decision":"allow"}; mend or remove it.',
      });
    }
    if ('undone' in decision) decisions.delete(decision.undone);
    else if ('decision' in decision) decisions.set(itemKey(decision), decision);
  }
  return [...decisions.values()];
}

/** Equal for a decision and what it is about. */
export function itemKey({ destination, from, rule }: Decided): string {
  return JSON.stringify([rule, destination, from]);
}

/** The decision, the key of one that is taken back, what decisions have changed, or why it is none of these. */
function parseDecision(line: string): Decision | { undone: string } | { change: unknown } | string {
  const value = parseObject(line);
  if (typeof value === 'string') return value;
  if ('change' in value) return { change: value.change };
  const { cidr, decision, destination, from, rule, ...rest } = value;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) return `"${unknown}" is no part of a decision`;
  if ([rule, destination, from ?? ''].some((each) => typeof each !== 'string'))
    return 'rule, destination and from must be text';
  const decided = decidedOf({ rule, destination, from } as Decided);
  if (decision === UNDO && cidr === undefined) return { undone: itemKey(decided) };
  if (typeof decision !== 'string' || !KINDS.includes(decision))
    return `decision must be one of ${KINDS.join(', ')}`;
  const kind = decision as DecisionKind;
  if ((kind === 'widen') !== (cidr !== undefined)) return 'widen, and nothing else, needs a cidr';
  if (cidr === undefined) return { ...decided, decision: kind };
  const prefix = typeof cidr === 'string' ? parsePrefix(cidr) : undefined;
  if (prefix === undefined) return `cidr: "${String(cidr)}" is no CIDR`;
  return { ...decided, decision: kind, cidr: prefix };
}

function parseObject(line: string): Record<string, unknown> | string {
  try {
    const value = JSON.parse(line) as unknown;
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : 'it is no object';
  } catch {
    return 'it is no JSON';
  }
}
