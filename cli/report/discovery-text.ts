import { formatCount, formatNumber, formatPercent } from '../../format/number.ts';
import type { Discovery } from '../../generator/discovery.ts';
import { describeOutlook, describeReadiness } from '../../generator/header.ts';
import { sparkline } from '../terminal/sparkline.ts';
import { formatTable } from '../terminal/table.ts';
import { PLAIN_VIEW, type View } from '../terminal/view.ts';

/** Subjects that are listed; the rest is counted. */
const LISTED = 20;
/** The column of curves, which a narrow terminal has no room for. */
const DISCOVERY = 5;

/**
 * The readiness of each subject as a table, least known first. Curves are drawn when `draw` says so, else
 * numbers.
 */
export function discoveryText(
  { discovery, outlook, subjects }: Discovery,
  draw: boolean,
  view: View = PLAIN_VIEW,
): string[] {
  if (subjects.length === 0) return [];
  const curve = (values: readonly number[]): string => (draw ? sparkline(values) : values.join(' '));
  const listed = subjects.slice(0, LISTED);
  const rows = listed.map(({ atMost, discovery: places, events, state, subject }) => [
    subject,
    state,
    formatPercent(atMost),
    String(places.at(-1)),
    formatNumber(events),
    curve(places),
  ]);
  return [
    `Readiness: ${describeReadiness(subjects)}; ${formatCount(discovery.at(-1)!, 'destination')} in ten steps: ${curve(discovery)}`,
    ...(outlook === undefined ? [] : [`Ahead: ${describeOutlook(outlook)}`]),
    ...formatTable(['SUBJECT', 'STATE', 'UNSEEN', 'DESTINATIONS', 'EVENTS', 'DISCOVERY'], rows, {
      view,
      optional: [DISCOVERY],
      styles: { stable: 'green', stabilizing: 'yellow', learning: 'yellow' },
    }),
    ...(subjects.length > LISTED
      ? [`and ${formatCount(subjects.length - LISTED, 'more subject')}; --json has them all`]
      : []),
  ];
}
