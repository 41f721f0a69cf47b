import { fleetRecord, shownAt } from '../../../../fleet/evidence/record.ts';
import { type OutlierHost, outlierHosts } from '../../../../generator/drift/finding/outlier.ts';
import { visible } from '../../../../error/visible.ts';
import { OUTLIER_COLUMNS, outlierCells } from '../../../drift/format/row.ts';
import { jsonDocument } from '../../../terminal/json-document.ts';
import { formatTable } from '../../../terminal/table.ts';
import type { HostsOptions } from '../../operator/run/hosts.ts';
import { withOperator } from '../../operator/run/operator.ts';
import { onlyWorkload, readEvidence } from './evidence.ts';

/** Prints the hosts of a workload that differ from the others in what they showed. */
export async function listOutliers(options: HostsOptions): Promise<void> {
  const outliers = await withOperator(options, async (hub): Promise<OutlierHost[]> => {
    const workload = options.workload ?? (await onlyWorkload(hub));
    const { hosts, rows } = await readEvidence(hub, { workload });
    const record = fleetRecord(hosts, rows, { workload, minHosts: 1 });
    return outlierHosts(
      shownAt(record).flatMap((each) => each.hosts ?? []),
      record.fleet.counted,
    );
  });
  if (options.json) process.stdout.write(jsonDocument('fleet-outliers', { outliers }));
  else if (outliers.length === 0) process.stderr.write('No host differs from the others.\n');
  else {
    const head = OUTLIER_COLUMNS.map((column) => column.toUpperCase());
    const rows = outliers.map((each) => outlierCells(each).map(visible));
    process.stdout.write(
      formatTable(head, rows)
        .map((line) => `${line}\n`)
        .join(''),
    );
  }
}
