import { resolve } from 'node:path';
import { askControl } from '../../daemon/control/control-client.ts';
import type { ControlRequest } from '../../daemon/control/control-request.ts';
import { visibleLines } from '../../error/visible.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import { PolicySource } from '../option/policy-source.ts';

/** What `confirm` and `rollback` were asked for, as commander hands it over. */
export interface ControlOptions {
  db: string;
}

/** What `apply` was asked for. */
export interface ApplyOptions extends ControlOptions {
  /** Seconds. */
  confirmWithin?: number;
  /** From when on the record is replayed before anything is blocked, microseconds since the epoch. */
  since?: number;
  /** Apply it whatever the pre-flight finds. */
  force: boolean;
  /** False: apply it without looking at anything first. */
  preflight: boolean;
}

/** Asks the enforcing process beside a database for something, and prints what it has done. */
export async function ask(db: string, request: ControlRequest): Promise<void> {
  process.stdout.write(visibleLines(await askControl(db, request)));
}

/** Looks at what a policy would do here, and has it put in force. */
export async function apply(path: string, options: ApplyOptions): Promise<void> {
  const { confirmWithin, db } = options;
  const file = resolve(path);
  if ((await lookFirst(file, options)) === 'stop') {
    process.exitCode = 1;
    return;
  }
  await ask(db, { ask: 'apply', file, ...(confirmWithin !== undefined && { within: confirmWithin }) });
}

/** As `enforce` does. The running process may have been started with a mode of its own, which is not known here. */
async function lookFirst(file: string, options: ApplyOptions): Promise<'go' | 'stop'> {
  if (!options.preflight) return 'go';
  const read = new PolicySource(undefined, warnAtOnce).read(file);
  if (read.policy.mode !== 'block') return 'go';
  const { preflight } = await import('../preflight/preflight.ts');
  return await preflight(read, options, (text) => process.stderr.write(visibleLines(text)));
}
