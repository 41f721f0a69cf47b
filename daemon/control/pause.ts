import { BouhekiError } from '../../error/error.ts';
import { formatDuration } from '../../format/duration.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { monitored } from '../../policy/meaning/mode.ts';
import type { Box, Policy } from '../../policy/meaning/policy.ts';
import { prefixGroup } from '../../policy/value/prefix-group.ts';

/** What is exempt while a policy pauses: what all the given ones match. None of them: everything. */
export interface Exemption {
  uid?: number;
  exe?: string;
  unit?: string;
  container?: string;
  /** An address, a prefix or a DNS name. */
  to?: string;
}

/** What a pause was asked for. */
export interface PauseRequest {
  ask: 'pause';
  /** How long it lasts. */
  seconds: number;
  exempt: Exemption;
  why?: string;
}

const NAME = 'pause';
const SUBJECTS = ['uid', 'exe', 'unit', 'container'] as const;

/** A policy while it pauses: it only monitors, or allows what is exempt. What it denies by name stays denied. */
export function pausedPolicy(policy: Policy, exempt: Exemption): Policy {
  if (Object.keys(exempt).length === 0) return monitored(policy);
  return { ...policy, boxes: [...policy.boxes, ...boxesOf(exempt)] };
}

/** What a pause is for, in words: `uid 0 and exe /usr/bin/apt to 10.0.0.0/8`. */
export function describeExemption(exempt: Exemption): string {
  const who = SUBJECTS.flatMap((key) => (exempt[key] === undefined ? [] : [`${key} ${exempt[key]}`])).join(
    ' and ',
  );
  const subject = who === '' ? 'everybody' : who;
  return exempt.to === undefined ? subject : `${subject} to ${exempt.to}`;
}

/** What is said when a pause begins. */
export function describePause({ exempt, seconds, why }: PauseRequest): string {
  const reason = why === undefined ? '' : ` (${why})`;
  return `Paused for ${formatDuration(seconds)}: ${describeExemption(exempt)}${reason}. The kernel ends it, \`bouheki resume\` ends it before.\n`;
}

/** The rule of a pause in the language of policies, which says what is wrong with it. */
function boxesOf({ to, ...from }: Exemption): Box[] {
  const lists = Object.fromEntries(Object.entries(from).map(([key, value]) => [key, [value]]));
  const where = to === undefined ? {} : { to: [{ [isName(to) ? 'name' : 'cidr']: [to] }] };
  const rule = { name: NAME, ...(Object.keys(lists).length > 0 && { from: lists }), ...where };
  // YAML has JSON in it.
  const text = JSON.stringify({ version: 2, network: { mode: 'block', allow: [rule] } });
  const { policy, problems } = parsePolicy(text, NAME);
  if (policy === undefined) {
    const [{ help, message } = { message: 'it is no rule' }] = problems;
    throw new BouhekiError(
      'usage',
      `that cannot be exempt: ${message}`,
      help === undefined ? {} : { remedy: help },
    );
  }
  return policy.boxes;
}

/** Neither a named group of prefixes nor an address or a prefix: those have a colon, a slash, or digits and dots alone. */
function isName(text: string): boolean {
  return prefixGroup(text) === undefined && !/[:/]/.test(text) && !/^[\d.]+$/.test(text);
}
