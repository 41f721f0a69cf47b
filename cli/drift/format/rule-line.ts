import type { Reported } from './identify.ts';
import type { DriftReport } from './report.ts';

/** The line of the policy that a finding is shown at: that of its rule, else the first. */
export function lineOf({ lines }: Pick<DriftReport, 'lines'>, { rule }: Pick<Reported, 'rule'>): number {
  return (rule && lines.get(rule.name)) ?? 1;
}
