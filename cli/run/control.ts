import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kept } from '../../bpf/pin/kept.ts';
import { askControl } from '../../daemon/control/control-client.ts';
import type { ControlRequest } from '../../daemon/control/control-request.ts';
import type { Exemption } from '../../daemon/control/pause.ts';
import type { ReadPolicy } from '../../daemon/control/switch-parts.ts';
import { BouhekiError } from '../../error/error.ts';
import { visibleLines } from '../../error/visible.ts';
import { blocksSome } from '../../policy/meaning/mode.ts';

// What reads policies is loaded by `apply` alone, and what reads pins by `detach`: `confirm` has no need of either.

/** What `confirm` and `resume` were asked for, as commander hands it over. */
export interface ControlOptions {
  db: string;
}

/** What could undo a policy that is guarded. */
export interface KeyedOptions {
  /** File of the key. */
  guardKey?: string;
}

/** What `rollback` was asked for. */
export interface RollbackOptions extends ControlOptions, KeyedOptions {}

/** What `pause` was asked for. */
export interface PauseOptions extends ControlOptions, KeyedOptions, Exemption {
  /** Seconds. */
  for: number;
  why?: string;
}

/** What `apply` was asked for. */
export interface ApplyOptions extends ControlOptions, KeyedOptions {
  /** Seconds. */
  confirmWithin?: number;
  /** From when on the record is replayed before anything is blocked, microseconds since the epoch. */
  since?: number;
  /** Apply it whatever the pre-flight finds. */
  force: boolean;
  /** False: apply it without looking at anything first. */
  preflight: boolean;
  /** Count it beside the policy in force instead. */
  shadow: boolean;
}

/** Asks the enforcing process beside a database for something, and prints what it has done. */
export async function ask(db: string, request: ControlRequest): Promise<void> {
  process.stdout.write(visibleLines(await askControl(db, request)));
}

/** Has somebody exempt from the policy in force for a time. */
export async function pause(asked: PauseOptions): Promise<void> {
  const { db, for: seconds, guardKey, why, ...exempt } = asked;
  const reason = why !== undefined && { why };
  await ask(db, { ask: 'pause', seconds, exempt, ...reason, ...(await keyOf(guardKey)) });
}

/** Goes back to the policy that was in force before. */
export async function rollBack({ db, guardKey }: RollbackOptions): Promise<void> {
  await ask(db, { ask: 'rollback', ...(await keyOf(guardKey)) });
}

async function keyOf(file: string | undefined): Promise<{ key?: string }> {
  if (file === undefined) return {};
  const { GuardKey } = await import('../../bpf/guard/key.ts');
  return { key: GuardKey.read(file).text };
}

/** Looks at what a policy would do here, and has it put in force. Whether it was; else the exit status says so. */
export async function apply(path: string, options: ApplyOptions): Promise<boolean> {
  const { warnAtOnce } = await import('../option/policy-reader.ts');
  const { PolicySource } = await import('../option/policy-source.ts');
  const { confirmWithin, db } = options;
  const file = resolve(path);
  const looks = options.preflight && !options.shadow;
  // What is wrong with it is said before what is wrong here. What it warns of, the enforcing process says.
  const read = new PolicySource(undefined, looks ? warnAtOnce : () => undefined).read(file);
  if (options.shadow) {
    await ask(db, { ask: 'shadow', file });
    return true;
  }
  const key = await keyOf(options.guardKey);
  if ((await lookFirst(read, options)) === 'stop') {
    process.exitCode = 1;
    return false;
  }
  await ask(db, {
    ask: 'apply',
    file,
    ...key,
    ...(confirmWithin !== undefined && { within: confirmWithin }),
  });
  return true;
}

/** As `enforce` does. The running process may have been started with a mode of its own, which is not known here. */
async function lookFirst(read: ReadPolicy, options: ApplyOptions): Promise<'go' | 'stop'> {
  if (!options.preflight || !blocksSome(read.policy)) return 'go';
  const { preflight } = await import('../preflight/preflight.ts');
  return await preflight(read, options, (text) => process.stderr.write(visibleLines(text)));
}

/** How long a process may take to end, milliseconds. */
const PATIENCE = 60_000;

/** Ends everything that is kept, where a guard admits it: what processes have left, and those that would leave something. */
export async function detach({ guardKey }: KeyedOptions): Promise<void> {
  const { GuardKey, requireAdmission } = await import('../../bpf/guard/key.ts');
  const { findKept, removeFolder } = await import('../../bpf/pin/kept.ts');
  const { describeKept } = await import('../../daemon/control/keeper.ts');
  const key = guardKey === undefined ? undefined : GuardKey.read(guardKey);
  const all = findKept();
  if (all === undefined) {
    throw new BouhekiError('privilege', 'only root can see and end what is kept', { remedy: 'use sudo' });
  }
  if (all.length === 0) say('Nothing is kept.');
  requireAdmission(all, key);
  // Before any process ends, which would leave it.
  for (const { folder } of all) removeFolder(folder);
  for (const { about, alive, pid } of all) {
    const what = about === undefined ? 'what was kept' : describeKept(about);
    if (!alive) say(`Ended: ${what}, which process ${pid} had left.`);
  }
  for (const each of all.filter(({ alive }) => alive)) {
    const { about } = each;
    await end(each, about === undefined ? 'what it enforced' : describeKept(about));
  }
}

function say(text: string): void {
  process.stdout.write(visibleLines(`${text}\n`));
}

/** Asks a process to end that enforces still. */
async function end({ pid, started }: Kept, what: string): Promise<void> {
  const { isAlive } = await import('../../bpf/pin/place.ts');
  const owner = { pid, started };
  if (isAlive(owner)) process.kill(pid, 'SIGTERM');
  for (const deadline = performance.now() + PATIENCE; isAlive(owner); await sleep(100)) {
    if (performance.now() < deadline) continue;
    throw new BouhekiError('kernel', `process ${pid} still enforces: it was asked to end, and has not`, {
      remedy: `end it: kill -KILL ${pid}. Nothing is kept after that`,
    });
  }
  say(`Ended: process ${pid}, and ${what}.`);
}
