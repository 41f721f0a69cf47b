import { visible } from '../../error/visible.ts';
import { formatTime } from '../../format/moment.ts';
import { formatCount } from '../../format/number.ts';
import { endpoint, eventsOf } from '../../generator/drift/entry.ts';
import { jsonDocument } from '../terminal/json-document.ts';
import type { Explained, RecordedReport } from './recorded.ts';
import { placeText, whyJson, whyLines } from './why.ts';

/** Rules that are named. */
const MOST_RULES = 8;

/** What was found, as one document. */
export function recordedJson({ about, found, parsed }: RecordedReport): string {
  const { boxes } = parsed.policy;
  return jsonDocument('explain-record', {
    rules: about.map((box) => {
      const { column, line, path } = parsed.locationOf(box);
      return { rule: boxes[box]!.name, action: boxes[box]!.action, place: { path, line, column } };
    }),
    events: eventsOf(found.map(({ entry }) => entry)),
    found: found.map(({ entry, explanation, rows }) => ({ ...entry, ...whyJson(explanation, parsed), rows })),
  });
}

/** The same for people: the rules that speak of it, and a block of lines for each of the first `shown`. */
export function recordedText({ about, found, parsed }: RecordedReport, shown: number): string {
  const rest = found.slice(shown);
  const lines = [rulesLine({ about, parsed })];
  for (const each of found.slice(0, shown)) lines.push('', ...blockOf(each, parsed));
  if (rest.length > 0) {
    const events = formatCount(eventsOf(rest.map(({ entry }) => entry)), 'event');
    lines.push('', `And ${rest.length} more, of ${events}: --limit 0 shows all.`);
  }
  return `${lines.map(visible).join('\n')}\n`;
}

function rulesLine({ about, parsed }: Pick<RecordedReport, 'about' | 'parsed'>): string {
  if (about.length === 0) return 'rules that speak of it: none';
  const places = new Map<string, string>();
  for (const box of about) {
    const { action, name } = parsed.policy.boxes[box]!;
    const text = `${action === 'deny' ? 'deny rule ' : ''}"${name}"`;
    if (!places.has(text)) places.set(text, placeText(box, parsed));
  }
  const all = [...places].map(([text, place]) => `${text} (${place})`);
  const more = all.length > MOST_RULES ? ` and ${all.length - MOST_RULES} more` : '';
  return `rules that speak of it: ${all.slice(0, MOST_RULES).join(', ')}${more}`;
}

function blockOf({ entry, explanation, observations, rows }: Explained, parsed: Parsed): string[] {
  const { count, first, last, recorded, subject } = entry;
  const when =
    first === last ? `at ${formatTime(first)}` : `from ${formatTime(first)} to ${formatTime(last)}`;
  const by = recorded?.rule === undefined ? '' : ` by "${recorded.rule}"`;
  const intent = observations[0]?.intent === true ? '; UDP connects that sent nothing' : '';
  return [
    `${subject}: ${endpoint(entry)}`,
    ...[
      `${formatCount(count, 'event')} ${when}, ${recorded?.verdict}${by} then${intent}`,
      ...whyLines(explanation, parsed),
      ...rows.map((row) => `row: ${JSON.stringify(known(row))}`),
    ].map((line) => `  ${line}`),
  ];
}

/** The cells of a row that say something. */
function known(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}

type Parsed = RecordedReport['parsed'];
