import type { ReleaseRow, ReleaseState } from '../engine/engine.ts';
import type { RolloutCommand } from '../wire/message.ts';

type Change = Pick<ReleaseRow, 'state' | 'reason'> & Partial<Pick<ReleaseRow, 'stageSince'>>;

/** From which states each is possible. */
const FROM: Record<Exclude<RolloutCommand['action'], 'status'>, readonly ReleaseState[]> = {
  pause: ['running'],
  resume: ['paused'],
  abort: ['running', 'paused'],
};

/**
 * What an operator's command changes; undefined: it is not possible in this state. After a pause the stage begins to soak
 * anew, for nobody looked at its gates with the intention to go on.
 */
export function commandChange(
  { state }: Pick<ReleaseRow, 'state'>,
  action: keyof typeof FROM,
  reason: string,
  now: number,
): Change | undefined {
  if (!FROM[action].includes(state)) return undefined;
  switch (action) {
    case 'pause':
      return { state: 'paused', reason };
    case 'resume':
      return { state: 'running', reason: '', stageSince: now };
    case 'abort':
      return { state: 'halted', reason };
  }
}
