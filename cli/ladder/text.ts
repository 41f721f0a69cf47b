import { visible } from '../../error/visible.ts';
import { formatCount, formatNumber } from '../../format/number.ts';
import type { Rung } from '../../generator/ladder.ts';
import { formatTable } from '../terminal/table.ts';
import type { View } from '../terminal/view.ts';

/** EVENTS goes first where a terminal has no room. */
const OPTIONAL = [2];

/** Where each subject stands, for people. `elsewhere`: events of the quiet period, of anybody, that would be blocked. */
export function ladderText(rungs: readonly Rung[], elsewhere: number, view: View): string {
  const rows = rungs.map(({ because, events, name, state }) => [
    visible(name),
    state,
    formatNumber(events),
    visible(because.join('; ')),
  ]);
  const lines = formatTable(['SUBJECT', 'STATE', 'EVENTS', 'WHY'], rows, { view, optional: OPTIONAL });
  const counted = (state: Rung['state']) => rungs.filter((rung) => rung.state === state).length;
  const parts = (['blocked', 'ready', 'waiting', 'held'] as const).map(
    (state) => `${counted(state)} ${state}`,
  );
  const rest = `In the quiet period ${formatCount(elsewhere, 'event')} in all would be blocked.`;
  return `${[...lines, '', `${parts.join(', ')}. ${rest}`].join('\n')}\n`;
}
