import { visible } from '../../error/visible.ts';
import { formatCount } from '../../format/number.ts';
import { observedDestination } from '../../generator/destination/destination.ts';
import { eventsOf, type RecordedVerdict, recordedOf } from '../../generator/drift/entry.ts';
import { describeLosses } from '../../generator/header.ts';
import { isEventLoss, type Loss, type RecordedObservation } from '../../profiler/read/read.ts';
import { escapeMarkdown, markdownTable } from '../terminal/markdown.ts';
import { formatTable } from '../terminal/table.ts';
import { PLAIN_VIEW, type View } from '../terminal/view.ts';

/** Lines that are shown of what was allowed; what was denied is shown to the end of this. */
const SHOWN = 30;

/** What became of connections of one program to one destination. */
interface OutcomeLine {
  program: string;
  destination: string;
  verdict: RecordedVerdict;
  count: number;
}

/** What a command connected to. */
export interface Outcome {
  /** What was denied first, then those of most connections. */
  lines: OutcomeLine[];
  connections: number;
  denied: number;
  losses: Loss[];
}

/** What a run's part of the record says. */
export function outcomeOf(observations: readonly RecordedObservation[], losses: readonly Loss[]): Outcome {
  const lines = new Map<string, OutcomeLine>();
  for (const each of observations) {
    const { exe, command, script } = each.subject;
    const program = script ?? exe ?? command;
    const name = each.names?.[0];
    const destination = observedDestination(name === undefined ? each : { ...each, name });
    const { verdict } = recordedOf(each);
    const key = [verdict, program, destination].join('\0');
    const line = lines.get(key);
    if (line === undefined) lines.set(key, { program, destination, verdict, count: each.count });
    else line.count += each.count;
  }
  const sorted = [...lines.values()].toSorted(
    (one, other) =>
      RANK[one.verdict] - RANK[other.verdict] ||
      other.count - one.count ||
      one.program.localeCompare(other.program) ||
      one.destination.localeCompare(other.destination),
  );
  return {
    lines: sorted,
    connections: eventsOf(sorted),
    denied: eventsOf(sorted.filter(({ verdict }) => verdict === 'denied')),
    losses: losses.filter(isEventLoss),
  };
}

/** For people, on standard error. */
export function outcomeText(outcome: Outcome, view: View = PLAIN_VIEW): string {
  const { lines } = outcome;
  const rows = lines.slice(0, SHOWN).map(cells);
  const table =
    rows.length === 0
      ? []
      : formatTable(
          HEAD.map((column) => column.toUpperCase()),
          rows,
          { view, names: [0, 1, 2], styles: STYLES },
        );
  return [headline(outcome), ...table, ...rest(lines), ...lacking(outcome)]
    .map((line) => `${line}\n`)
    .join('');
}

/** For the page of a job, or a comment on a change. `command` is what was run. */
export function outcomeMarkdown(outcome: Outcome, command: readonly string[]): string {
  const { lines } = outcome;
  const rows = lines.slice(0, SHOWN).map(cells);
  const notes = [...rest(lines), ...lacking(outcome)].map((note) => `\n${escapeMarkdown(note)}\n`);
  const table = rows.length === 0 ? '' : `\n${markdownTable(HEAD, rows)}`;
  const title = `### ${escapeMarkdown(`bouheki run -- ${command.join(' ')}`)}\n\n`;
  return `${title}${escapeMarkdown(headline(outcome))}\n${table}${notes.join('')}`;
}

const HEAD = ['verdict', 'program', 'destination', 'connections'];
const RANK = { denied: 0, 'would be denied': 1, allowed: 2 } as const;
const STYLES = { denied: 'red', 'would be denied': 'yellow' } as const;

function cells({ count, destination, program, verdict }: OutcomeLine): string[] {
  return [verdict, program, destination, String(count)].map(visible);
}

function headline({ connections, denied, lines }: Outcome): string {
  if (connections === 0) return 'It connected to nothing.';
  const what = `${formatCount(connections, 'connection')} to ${formatCount(new Set(lines.map(({ destination }) => destination)).size, 'destination')}`;
  return denied === 0 ? `${what}.` : `${what}; ${denied} denied.`;
}

function rest(lines: readonly OutcomeLine[]): string[] {
  return lines.length > SHOWN ? [`And ${formatCount(lines.length - SHOWN, 'line')} more.`] : [];
}

function lacking({ losses }: Outcome): string[] {
  return losses.length === 0 ? [] : [`The record lacks events: ${describeLosses(losses)}.`];
}
