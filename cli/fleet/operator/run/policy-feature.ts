import { BouhekiError } from '../../../../error/error.ts';
import type { HostMessage } from '../../../../fleet/wire/message.ts';
import { formatCount } from '../../../../format/number.ts';
import type { From, Policy } from '../../../../policy/meaning/policy.ts';

/** Keys of a subject that an agent has to know: another one would take the rule for one about everybody. */
const KEYS: Readonly<Record<string, readonly (keyof From)[]>> = {
  host: ['host'],
  user: ['user', 'group'],
};

/** What an agent has to know to hold a policy, in the order of the alphabet. */
export function featuresOf({ boxes, modes = [] }: Policy): string[] {
  const subjects = [...boxes, ...modes].map(({ from }) => from);
  return Object.entries(KEYS)
    .filter(([, keys]) => subjects.some((from) => keys.some((key) => from[key] !== undefined)))
    .map(([feature]) => feature);
}

/** Throws BouhekiError `fleet` that lists the hosts whose agents lack a feature. Hosts never heard of are not asked. */
export function assertKnown(features: readonly string[], hosts: readonly HostMessage[]): void {
  const lacking = hosts
    .filter(({ lastSeen, state }) => state !== 'revoked' && lastSeen > 0)
    .flatMap(({ features: known, name }) => {
      const missing = features.filter((feature) => !known.includes(feature));
      return missing.length === 0 ? [] : [`${name}: ${missing.join(', ')}`];
    });
  if (lacking.length === 0) return;
  throw new BouhekiError(
    'fleet',
    `the agents of ${formatCount(lacking.length, 'host')} do not know all of the policy`,
    {
      remedy: 'install this version of bouheki on them, or leave these selectors out of the policy',
      detail: lacking.toSorted().join('\n'),
    },
  );
}
