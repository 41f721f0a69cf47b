import { visible } from '../../../../error/visible.ts';
import type { HostCommand } from '../../../../fleet/wire/message.ts';
import { type OperatorOptions, withOperator } from './operator.ts';

/** What `fleet quarantine`, `restore` and `revoke` were asked for. */
export interface HostStateOptions extends OperatorOptions {
  reason: string;
}

/** Changes whether a host counts, or belongs to the fleet at all. */
export async function setHostState(
  action: HostCommand['action'],
  host: string,
  { reason, ...options }: HostStateOptions,
): Promise<void> {
  const { id, name, state } = await withOperator(options, (hub) =>
    hub.call('Admin/SetHost', { host, action, reason }),
  );
  process.stderr.write(`${visible(`${name} (${id})`)} is ${state}.\n`);
}
