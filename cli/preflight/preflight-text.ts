import { visible } from '../../error/visible.ts';
import { formatCount } from '../../format/number.ts';
import { paint, type Style } from '../../output/terminal.ts';
import { formatTable } from '../terminal/table.ts';
import { PLAIN_VIEW, type View } from '../terminal/view.ts';
import { CHECKS, type Finding } from './finding.ts';

const MARKS: Readonly<Record<Finding['state'], { text: string; style: Style }>> = {
  ok: { text: 'ok', style: 'green' },
  warn: { text: 'warn', style: 'yellow' },
  stop: { text: 'STOP', style: 'red' },
};

const MARK_WIDTH = 6;
const CHECK_WIDTH = Math.max(...CHECKS.map((check) => check.length)) + 2;
const INDENT = MARK_WIDTH + CHECK_WIDTH;

/** LAST, then RULE go where a terminal has no room for them. */
const OPTIONAL = [3, 4];

/** A line for each finding, what is behind it below. */
export function findingsText(findings: readonly Finding[], view: View = PLAIN_VIEW): string {
  return findings
    .flatMap((finding) => linesOf(finding, view))
    .map((line) => `${line}\n`)
    .join('');
}

function linesOf({ check, remedy, state, table, what, why }: Finding, view: View): string[] {
  const { style, text } = MARKS[state];
  const below = [why, remedy]
    .filter((each) => each !== undefined)
    .map((each) => ' '.repeat(INDENT) + visible(each));
  const options = { view, indent: INDENT, optional: OPTIONAL.filter((at) => at < (table?.head.length ?? 0)) };
  return [
    `${paint(view.colour, style, text.padEnd(MARK_WIDTH))}${check.padEnd(CHECK_WIDTH)}${visible(what)}`,
    ...(table === undefined || table.rows.length === 0 ? [] : formatTable(table.head, table.rows, options)),
    ...below,
  ];
}

/** What all of it comes to. */
export function describeEnd(findings: readonly Finding[], force: boolean): string {
  const stops = findings.filter(({ state }) => state === 'stop').map(({ check }) => check);
  const warnings = findings.filter(({ state }) => state === 'warn').length;
  const minor = warnings === 0 ? '' : `, ${formatCount(warnings, 'warning')}`;
  if (stops.length === 0) return `Pre-flight: nothing stands in the way of blocking${minor}.\n`;
  if (force) return `Pre-flight: ${stops.join(' and ')} passed over by --force${minor}.\n`;
  return `Pre-flight: stopped by ${stops.join(' and ')}${minor}. Mend that, or go on all the same with --force.\n`;
}
