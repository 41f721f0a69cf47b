import { compare, type Drift, driftOf } from '../../../../generator/drift/drift.ts';
import type { DriftObservation } from '../../../../generator/drift/entry.ts';
import type { AccountTable, Policy } from '../../../../policy/meaning/policy.ts';
import { Accounts } from '../../../../profiler/read/observation.ts';

/** The drift of observations, without what is allowed. */
export function findDrift(
  policy: Policy,
  observations: readonly DriftObservation[],
  accounts = new Accounts(),
  called: AccountTable = accounts,
): Drift {
  return driftOf(compare(policy, observations, { accounts, called }));
}
