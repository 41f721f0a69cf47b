import type { TrippedSubject } from '../denial/breaker.ts';
import type { ReadPolicy } from './switch-parts.ts';

/** Subjects that may be open at a time: what is more than that is no mistake in a rule. */
const MOST_OPENED = 8;

/** A policy with one more subject that it only monitors. */
export function openedPolicy(current: ReadPolicy, { from, name }: TrippedSubject): ReadPolicy {
  const { opened, policy } = current;
  const modes = [{ name: `breaker: ${name}`, from, mode: 'monitor' as const }, ...(policy.modes ?? [])];
  return {
    ...current,
    policy: { ...policy, modes },
    opened: { names: [...(opened?.names ?? []), name], closed: opened?.closed ?? current },
  };
}

/** Why a subject is not opened, in words; undefined where it is. `opened`: how many are already. */
export function refusal({ name }: TrippedSubject, opened: number, waits: boolean): string | undefined {
  const stays = `Warning: the breaker does not open ${name}, which is denied too often`;
  if (waits) return `${stays}: a policy waits for its confirmation, or is paused.\n`;
  if (opened < MOST_OPENED) return undefined;
  return `${stays}: ${MOST_OPENED} subjects are open already. \`bouheki rearm\` closes them.\n`;
}

/** What is said when it is. */
export function describeOpened({ name }: TrippedSubject): string {
  return `WARNING: the breaker has opened ${name}: it was denied too often, and nothing is blocked for it any more. \`bouheki rearm\` closes it.\n`;
}
