import type { FleetStatus } from '../../profiler/serve/live-status.ts';
import { isWorkloadName } from '../wire/workload.ts';

/** Of an agent that has said nothing yet. */
export const NOTHING: FleetStatus = {
  connected: false,
  hub: '',
  acknowledged: 0,
  unsentRows: 0,
  certificateEnds: 0,
};

/** Characters of a name that is told on. */
const LONGEST = 255;

/**
 * What an agent says of itself, as far as it is what it should be: that process hears of a hub what may be made to mislead it,
 * and this one records and judges. Undefined where it is not.
 */
export function readStatus(told: unknown): FleetStatus | undefined {
  const { acknowledged, certificateEnds, connected, hub, policy, unsentRows } = Object(
    told,
  ) as Partial<FleetStatus>;
  if (typeof connected !== 'boolean' || typeof hub !== 'string') return undefined;
  if (!isCount(acknowledged) || !isCount(certificateEnds) || !isCount(unsentRows)) return undefined;
  const read = readPolicy(policy);
  return {
    connected,
    hub: hub.slice(0, LONGEST),
    acknowledged,
    unsentRows,
    certificateEnds,
    ...(read && { policy: read }),
  };
}

function readPolicy(told: unknown): FleetStatus['policy'] {
  const { mode, revision, stale, workload } = Object(told) as Partial<NonNullable<FleetStatus['policy']>>;
  if (typeof workload !== 'string' || !isWorkloadName(workload) || !isCount(revision)) return undefined;
  return { workload, revision, mode: mode === 'block' ? 'block' : 'monitor', stale: stale === true };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
