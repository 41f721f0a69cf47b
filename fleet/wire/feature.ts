import type { HostMessage } from './message.ts';

/** Said by an agent that puts policies of the fleet in force: beside `bouheki enforce` without a policy of its own. */
export const ENFORCE = 'enforce';

/**
 * Whether a roll-out leaves a host out: its agent has said that it takes no policy, as one beside `learn` or `enforce
 * POLICY`. Of a host that was never heard of nothing is known, so it gets the policy when it comes.
 */
export function isLeftOut({ features, lastSeen }: Pick<HostMessage, 'features' | 'lastSeen'>): boolean {
  return lastSeen > 0 && !features.includes(ENFORCE);
}

/** The names of hosts that roll-outs leave out, in order. What is revoked is in none anyway. */
export function leftOutNames(
  hosts: readonly Pick<HostMessage, 'name' | 'state' | 'features' | 'lastSeen'>[],
): string[] {
  return hosts
    .filter((host) => host.state !== 'revoked' && isLeftOut(host))
    .map(({ name }) => name)
    .toSorted();
}
