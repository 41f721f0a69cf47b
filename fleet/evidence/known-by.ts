import type { Observation } from '../../profiler/read/observation.ts';
import type { WireKnownBy } from '../wire/message.ts';

/** Who asked for a name, by the words of a record. */
export const KNOWN_BY = { SELF: 'self', CGROUP: 'cgroup', HOST: 'host' } as const satisfies Record<
  Exclude<WireKnownBy, 'NO_NAME'>,
  NonNullable<Observation['known']>['by']
>;
