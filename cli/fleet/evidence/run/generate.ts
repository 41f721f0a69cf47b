import { generate, type GenerateOptions } from '../../../run/generate.ts';
import { type OperatorOptions, withOperator } from '../../operator/run/operator.ts';
import { readFleetRecord } from './evidence.ts';

/** What `generate --fleet` was asked for, as commander hands it over. */
export interface FleetGenerateOptions extends GenerateOptions, OperatorOptions {
  fleet: boolean;
  workload?: string;
  minHosts: number;
  minHours: number;
}

/** Writes the policy that explains what the hosts of a workload showed. */
export async function generateForFleet(options: FleetGenerateOptions): Promise<void> {
  const { minHosts, minHours, workload } = options;
  const query = {
    workload: workload!,
    minHosts,
    leastHours: minHours,
    ...(options.since !== undefined && { since: options.since }),
    ...(options.until !== undefined && { until: options.until }),
  };
  const input = await withOperator(options, (hub) => readFleetRecord(hub, query));
  // Hosts record in a way of their own: no recording of this one overlaps.
  await generate(options, async () => ({ input, recordings: [] }));
}
