import { forHost, type HostIdentity } from '../../../policy/meaning/host.ts';
import { monitored } from '../../../policy/meaning/mode.ts';
import type { Box, Policy } from '../../../policy/meaning/policy.ts';
import type { Address } from '../../../policy/value/address.ts';
import { containsAddress, prefixOf } from '../../../policy/value/cidr.ts';
import type { HeldPolicy } from './held.ts';

const LOOPBACK: readonly Address[] = [
  { family: 4, value: 0x7f00_0001n },
  { family: 6, value: 1n },
];

/** What a policy of the fleet is made one of this host with. */
export interface Local {
  /** Undefined where no hub has said it yet. */
  host: HostIdentity | undefined;
  own: readonly Address[];
  mode: 'monitor' | 'block';
}

/**
 * A policy of the fleet as it holds on this host: without rules for other hosts, in the mode of the placement, and where
 * it names the loopback of IPv4 or IPv6 with this host's own addresses beside it, since evidence was sent so. Mode entries
 * that say `monitor` hold in both modes.
 */
export function localPolicy(policy: Policy, { host, mode, own }: Local): Policy {
  const here = forHost(policy, host);
  const boxes = here.boxes.map((box) => withOwn(box, own));
  const local = { ...here, boxes };
  return mode === 'monitor' ? monitored(local) : { ...local, mode };
}

function withOwn(box: Box, own: readonly Address[]): Box {
  const { prefixes } = box.to;
  if (prefixes === undefined) return box;
  const has = (address: Address): boolean => prefixes.some((prefix) => containsAddress(prefix, address));
  const families = new Set(LOOPBACK.filter(has).map(({ family }) => family));
  const more = own.filter((address) => families.has(address.family) && !has(address));
  return more.length === 0
    ? box
    : { ...box, to: { ...box.to, prefixes: [...prefixes, ...more.map(prefixOf)] } };
}

/** The mode that a policy has at a moment, milliseconds since the epoch: one that is stale may only monitor. */
export function modeAt(
  { manifest, placement }: Pick<HeldPolicy, 'manifest' | 'placement'>,
  now: number,
): 'monitor' | 'block' {
  return isStale({ manifest }, now) && manifest.onStale === 'monitor' ? 'monitor' : placement.mode;
}

/** Whether the time of its manifest is over. */
export function isStale({ manifest }: Pick<HeldPolicy, 'manifest'>, now: number): boolean {
  return now > Date.parse(manifest.notAfter);
}
