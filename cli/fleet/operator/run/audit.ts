import { visible } from '../../../../error/visible.ts';
import { formatMoment } from '../../../../format/moment.ts';
import { type OperatorOptions, withOperator } from './operator.ts';

/** What `fleet audit` was asked for. */
export interface AuditOptions extends OperatorOptions {
  /** Seconds. */
  since: number;
  most: number;
}

/** Prints the audit, a line each. */
export async function audit({ most, since, ...options }: AuditOptions): Promise<void> {
  await withOperator(options, async (hub) => {
    const query = { since: Date.now() - since * 1000, most };
    for await (const { time, what, who } of hub.stream('Admin/Audit', query)) {
      process.stdout.write(`${visible(`${formatMoment(time * 1000)}  ${who}  ${what}`)}\n`);
    }
  });
}
