import { visible } from '../../../../error/visible.ts';
import { formatCount } from '../../../../format/number.ts';
import { formatTable } from '../../../terminal/table.ts';
import { listOf, type OperatorOptions, withOperator } from './operator.ts';

/** What `fleet workload set` was asked for. */
export interface SetOptions extends OperatorOptions {
  select: Record<string, string>;
  order: number;
}

const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');

/** Makes or changes a workload. */
export async function setWorkload(name: string, { order, select, ...options }: SetOptions): Promise<void> {
  const { hosts } = await withOperator(options, (hub) =>
    hub.call('Admin/SetWorkload', { name, select, order, hosts: 0, revision: 0 }),
  );
  process.stderr.write(`${visible(name)} selects ${formatCount(hosts, 'host')}.\n`);
}

/** Prints all workloads. */
export async function listWorkloads(options: OperatorOptions): Promise<void> {
  const workloads = await withOperator(options, (hub) => listOf(hub, 'Admin/Workloads'));
  const rows = workloads
    .toSorted((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1))
    .map(({ hosts, name, order, revision, select }) => [
      name,
      String(order),
      labelsText(select),
      String(hosts),
      revision === 0 ? '-' : String(revision),
    ]);
  if (rows.length === 0) process.stderr.write('There is no workload.\n');
  else {
    const lines = formatTable(['WORKLOAD', 'ORDER', 'SELECTS', 'HOSTS', 'RELEASE'], rows, { names: [0, 2] });
    process.stdout.write(lines.map((line) => `${line}\n`).join(''));
  }
}
