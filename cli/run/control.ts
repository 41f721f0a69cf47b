import { resolve } from 'node:path';
import { askControl } from '../../daemon/control/control-client.ts';
import type { ControlRequest } from '../../daemon/control/control-request.ts';
import { visibleLines } from '../../error/visible.ts';

/** What `confirm` and `rollback` were asked for, as commander hands it over. */
export interface ControlOptions {
  db: string;
}

/** What `apply` was asked for. */
export interface ApplyOptions extends ControlOptions {
  /** Seconds. */
  confirmWithin?: number;
}

/** Asks the enforcing process beside a database for something, and prints what it has done. */
export async function ask(db: string, request: ControlRequest): Promise<void> {
  process.stdout.write(visibleLines(await askControl(db, request)));
}

/** Has a policy put in force. */
export async function apply(file: string, { confirmWithin, db }: ApplyOptions): Promise<void> {
  await ask(db, {
    ask: 'apply',
    file: resolve(file),
    ...(confirmWithin !== undefined && { within: confirmWithin }),
  });
}
