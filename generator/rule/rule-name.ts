import { extendName } from '../../policy/file/limit.ts';
import { FROM } from '../../policy/meaning/dimension.ts';
import type { From } from '../../policy/meaning/policy.ts';
import type { Rule } from './rule.ts';

/** How many values a name spells out. */
const SPELLED = 2;

/**
 * A name for each rule, no two alike: what its subjects are (`/usr/bin/curl uid 1000`,
 * `container web, api and 3 more uid 0, 33`), with a number where two read the same.
 */
export function nameRules(rules: readonly Pick<Rule, 'from'>[]): string[] {
  const taken = new Map<string, number>();
  return rules.map(({ from }) => {
    const name = extendName(nameOf(from), '');
    const times = (taken.get(name) ?? 0) + 1;
    taken.set(name, times);
    return times === 1 ? name : extendName(name, ` (${times})`);
  });
}

function nameOf({ uid, ...who }: From): string {
  const parts = (Object.keys(who) as (keyof typeof who)[]).map((key) => {
    const label = FROM[key].kind === 'file' ? '' : `${key} `;
    return `${label}${listed(who[key]!)}`;
  });
  if (uid !== undefined) parts.push(`uid ${listed(uid)}`);
  return parts.length === 0 ? 'any process' : parts.join(' ');
}

function listed(values: readonly (string | number)[]): string {
  if (values.length <= SPELLED + 1) return values.join(', ');
  return `${values.slice(0, SPELLED).join(', ')} and ${values.length - SPELLED} more`;
}
