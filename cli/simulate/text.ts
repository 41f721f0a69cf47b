import { visible } from '../../error/visible.ts';
import { formatTime } from '../../format/moment.ts';
import { formatCount, formatNumber } from '../../format/number.ts';
import { bySubject, type DriftEntry, endpoint, eventsOf, ruleText } from '../../generator/drift/entry.ts';
import { formatTable } from '../terminal/table.ts';
import type { View } from '../terminal/view.ts';
import type { SimulationReport } from './simulate.ts';

/** Destinations of a subject; the rest is counted. */
const MOST_DESTINATIONS = 5;

/** LAST goes first where a terminal has no room. */
const OPTIONAL = [3, 4];

/** A simulation for people. `limit`: subjects of each list, 0 for all. */
export function simulationText(report: SimulationReport, limit: number, view: View): string {
  const { against, blocked, candidate, events, noted, opened, passed, stopped } = report;
  const width = formatNumber(events).length;
  const line = (count: number, what: string) => `${formatNumber(count).padStart(width)}  ${what}`;
  const lines = [
    `${formatCount(events, 'recorded event')} under ${candidate}, if it blocked:`,
    line(passed, 'went through, and would go through'),
    ...(noted > 0 ? [line(noted, 'of these would be denied, but to subjects that are only monitored')] : []),
    line(eventsOf(blocked), 'went through, and would be blocked'),
    line(stopped, 'were stopped, and would be stopped'),
    line(eventsOf(opened), 'were stopped, and would go through'),
    ...list('Would be blocked', blocked, limit, view),
    ...list('Would go through', opened, limit, view),
  ];
  if (against !== undefined) {
    const { closed, opened: more, policy } = against;
    lines.push(
      '',
      `Beside ${policy}: ${formatCount(eventsOf(closed), 'event')} more denied, ${formatNumber(eventsOf(more))} more allowed.`,
      ...list(`Denied, and allowed by ${policy}`, closed, limit, view),
      ...list(`Allowed, and denied by ${policy}`, more, limit, view),
    );
  }
  return `${lines.join('\n')}\n`;
}

function list(title: string, entries: readonly DriftEntry[], limit: number, view: View): string[] {
  if (entries.length === 0) return [];
  const subjects = [...bySubject(entries)].toSorted(([, a], [, b]) => eventsOf(b) - eventsOf(a));
  const shown = limit === 0 ? subjects : subjects.slice(0, limit);
  const rows = shown.flatMap(([subject, its]) =>
    rowsOf(subject, its, limit === 0 ? its.length : MOST_DESTINATIONS),
  );
  const rest = subjects.length - shown.length;
  if (rest > 0) rows.push([`and ${formatCount(rest, 'more subject')}`, '', '', '', '']);
  const head = ['SUBJECT', 'DESTINATION', 'COUNT', 'LAST', 'RULE'];
  return ['', `${visible(title)}:`, ...formatTable(head, rows, { view, indent: 2, optional: OPTIONAL })];
}

function rowsOf(subject: string, entries: readonly DriftEntry[], most: number): string[][] {
  const sorted = entries.toSorted((a, b) => b.count - a.count);
  const rows = sorted.slice(0, most).map((entry, place) => [
    place === 0 ? subject : '',
    endpoint(entry),
    String(entry.count),
    formatTime(entry.last),
    // Without what the kernel said: of that the list is about.
    ruleText({
      ...(entry.rule && { rule: entry.rule }),
      ...(entry.nameDrift && { nameDrift: entry.nameDrift }),
    }),
  ]);
  const rest = sorted.slice(most);
  if (rest.length > 0) rows.push(['', `and ${rest.length} more`, String(eventsOf(rest)), '', '']);
  return rows;
}
