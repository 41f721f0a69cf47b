import { evaluate } from '../../../policy/meaning/evaluate.ts';
import { modeOf } from '../../../policy/meaning/mode.ts';
import type { Flow, Policy } from '../../../policy/meaning/policy.ts';
import { type Address, formatAddress } from '../../../policy/value/address.ts';
import type { Subject } from '../../../profiler/read/observation.ts';

const TCP = 6;

/** Where a hub can be reached. */
export interface HubPlace {
  /** HOST:PORT, as it is configured. */
  text: string;
  /** The name, where it is one. */
  name: string | undefined;
  /** What it stands for now; none where that is not known. */
  addresses: readonly Address[];
  port: number;
}

/**
 * The hub that this host could not reach any more under a policy, as text; undefined where each can be reached by one of
 * its addresses. A hub whose name stands for nothing now is left out: that it is reached is confirmed later. `now`:
 * microseconds since the epoch.
 */
export function cutOff(
  policy: Policy,
  self: Subject,
  hubs: readonly HubPlace[],
  now: number,
): string | undefined {
  for (const { addresses, name, port, text } of hubs) {
    const flows = addresses.map((address) => flowOf(self, { address, name, port, now }));
    if (flows.length > 0 && flows.every((flow) => isStopped(policy, flow)))
      return `${text} (${addresses.map(formatAddress).join(', ')})`;
  }
  return undefined;
}

function isStopped(policy: Policy, flow: Flow): boolean {
  const verdict = evaluate(policy, flow);
  return verdict.action === 'deny' && modeOf(policy, verdict) === 'block';
}

function flowOf(
  { undeleted: _undeleted, euid, egid, ...self }: Subject,
  { address, name, now, port }: Pick<HubPlace, 'name' | 'port'> & { address: Address; now: number },
): Flow {
  return {
    ...self,
    euid: euid ?? self.uid,
    egid: egid ?? self.gid,
    address,
    port,
    protocol: TCP,
    at: now,
    ...(name !== undefined && { names: [{ name, age: 0 }] }),
  };
}
