import { bootTime } from '../../bpf/clock.ts';
import { BouhekiError } from '../../error/error.ts';
import { formatDuration } from '../../format/duration.ts';
import { blocksSome, describeModes } from '../../policy/meaning/mode.ts';
import type { ReadPolicy } from './switch-parts.ts';

/** Nanoseconds of a millisecond. */
const MILLISECOND = 1_000_000n;

/** By when a policy must be confirmed, nanoseconds since boot, in words; empty where it need not be. */
export function describeWait(confirmBy: bigint | undefined, former: ReadPolicy | undefined): string {
  if (confirmBy === undefined) return '';
  const seconds = Number((confirmBy - bootTime()) / MILLISECOND) / 1000;
  const then =
    former === undefined ? 'nothing is blocked any more' : `the policy ${former.hash} is in force again`;
  return `Unless \`bouheki confirm\` comes within ${formatDuration(Math.max(0, Math.round(seconds)))}, ${then}.\n`;
}

/** What who has asked for a policy is told when it is in force; `wait` says by when it must be confirmed. */
export function describeComing({ file, hash, policy }: ReadPolicy, wait: string, tried: boolean): string {
  const needless = tried && !blocksSome(policy) ? 'It blocks nothing, and needs no confirmation.\n' : '';
  return `In force: the policy ${hash} of ${file}, in ${describeModes(policy)}.\n${wait}${needless}`;
}

/** Why nothing is changed. */
export function refused(why: string): BouhekiError {
  return new BouhekiError('usage', why, { remedy: 'see `bouheki status` for what is in force' });
}

/** Why no other policy can be put in force. */
export function waitingError(pauses: boolean): BouhekiError {
  return pauses
    ? new BouhekiError('usage', 'the policy in force is paused', { remedy: 'run `bouheki resume` first' })
    : new BouhekiError('usage', 'the policy in force waits for its confirmation', {
        remedy: 'run `bouheki confirm` or `bouheki rollback` first',
      });
}
