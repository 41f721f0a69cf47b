import { jsonDocument } from '../terminal/json-document.ts';
import { visible } from '../../error/visible.ts';
import { formatMoment, formatTime } from '../../format/moment.ts';
import { formatCount } from '../../format/number.ts';
import { type Decided, decidedOf, type Decision } from '../../generator/review/decision.ts';
import { EVERYTHING, evidenceOf, type ReviewItem } from '../../generator/review/review.ts';
import { sumEvidence, sumNames } from '../../generator/subject/evidence.ts';
import { mostOf } from '../../generator/subject/order.ts';
import type { strayMarks } from '../../policy/file/edit/edit.ts';
import { ruleEnds } from '../../policy/meaning/end.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import { formatPrefix, type Prefix } from '../../policy/value/cidr.ts';
import type { SampleProcess } from '../../profiler/read/sample-sql.ts';
import { formatTable } from '../terminal/table.ts';
import { viewOf } from '../terminal/view.ts';

/** Destinations that a question names. */
const SHOWN = 6;

/** What a question is about: items with the same rule and the same reasons. */
export interface Question {
  items: readonly ReviewItem[];
  /** How many items are left, these included. */
  left: number;
  /** How many there were when the review began. */
  all: number;
  sample?: SampleProcess | undefined;
  /** What allows the item, when there is one. */
  allowedBy?: Prefix | undefined;
}

/** The question with its evidence, as lines for a terminal. */
export function questionText(question: Question): string[] {
  const [head, ...rest] = questionFacts(question);
  return [
    '',
    progressText(question),
    // Nothing of what is decided on is cut.
    ...formatTable(head!, rest, { headless: true, indent: 2 }),
  ];
}

/** `3/12: 10 destinations left`. */
export function progressText({ all, left }: Pick<Question, 'all' | 'left'>): string {
  // Earlier decisions taken back may leave more than there were.
  return `${Math.max(0, all - left) + 1}/${Math.max(all, left)}: ${formatCount(left, 'destination')} left`;
}

/** What is known of what is asked about, each with what it is. */
export function questionFacts({ allowedBy, items, sample }: Question): [string, string][] {
  const [item] = items;
  const shown = items.slice(0, SHOWN).map(({ destination }) => destination);
  const more = items.length - shown.length;
  return [
    ['Rule', item!.rule],
    ...(item!.from === undefined ? [] : [['For', item!.from] as [string, string]]),
    [
      items.length === 1 ? 'Destination' : 'Destinations',
      shown.join(', ') + (more > 0 ? ` and ${more} more` : ''),
    ],
    ...namesFact(items),
    ['Because', item!.reasons.join('; ')],
    ['Seen', seenText(items)],
    ...(allowedBy ? [['Allowed by', formatPrefix(allowedBy)] as [string, string]] : []),
    ...(sample?.arguments ? [['Process', sampleText(sample)] as [string, string]] : []),
  ];
}

/** What the addresses were known by when they were connected to. */
function namesFact(items: readonly ReviewItem[]): [string, string][] {
  const names = sumNames(items.flatMap(({ observations }) => observations));
  return names.length === 0 ? [] : [['Known by', names.join(', ')]];
}

/** A row for each destination: itself, events, hours, first, last and who. */
export function evidenceRows(items: readonly ReviewItem[]): string[][] {
  return items.map((item) => {
    const evidence = evidenceOf(item);
    if (evidence === undefined) return [item.destination, '0', '0', '-', '-', '-'];
    const { count, first, hours, last } = evidence;
    const exes = [...new Set(item.observations.map(({ subject }) => subject.exe ?? subject.command))];
    return [
      item.destination,
      String(count),
      String(hours),
      formatTime(first),
      formatTime(last),
      exes.join(', '),
    ];
  });
}

/** Each destination with its evidence, and what the answers do. */
export function whyText(items: readonly ReviewItem[]): string[] {
  return [
    ...formatTable(['DESTINATION', 'COUNT', 'HOURS', 'FIRST', 'LAST', 'WHO'], evidenceRows(items), {
      view: { ...viewOf(process.stderr), colour: false },
      indent: 2,
      optional: [3],
    }),
    '  allow   keep it as it is, and remove the mark',
    '  deny    take it out and deny it: no later rule can allow it',
    '  ignore  take it out; it is not allowed, and `generate --base` does not offer it again',
    '  h       of what was withheld: allow it on the hosts that showed it alone',
    '  narrow  allow only the addresses that were seen, where the rule allows more',
    '  widen   allow a larger block of addresses; others of the rule within it are settled with it',
    '  each    ask for each destination by itself',
    '  undo    take the last answer back, also one of an earlier review',
    '  skip    ask again the next time',
  ];
}

/** `3 events in at least 2 hours, 2026-11-21 00:00:00Z to 2026-11-21 05:00:00Z`. */
function seenText(items: readonly ReviewItem[]): string {
  const { withheld } = items[0]!;
  if (withheld) return `${withheld.facts}; no rule allows it yet`;
  const all = items.flatMap((item) => evidenceOf(item) ?? []);
  if (all.length === 0)
    return `${EVERYTHING} that the rule allows was not seen: the record holds nothing of it`;
  const { count, first, last } = sumEvidence(all);
  const hours = mostOf(all, (each) => each.hours);
  const when =
    formatTime(last) > formatTime(first) ? `${formatTime(first)} to ${formatTime(last)}` : formatTime(first);
  const many = all.length > 1 && count > 1 ? 'at least ' : '';
  return `${formatCount(count, 'event')} in ${many}${formatCount(hours, 'hour')}, ${when}`;
}

function sampleText(sample: SampleProcess): string {
  const { ancestors, arguments: line, euid, euserName, parentCommand, pid, uid, userName } = sample;
  const by = ancestors ?? parentCommand;
  return [
    line ?? '',
    ...(pid === undefined ? [] : [`pid ${pid}`]),
    `uid ${userText(uid, userName)}`,
    ...(euid === uid ? [] : [`effective uid ${userText(euid, euserName)}`]),
    ...(by === undefined ? [] : [`started by ${by}`]),
  ].join(', ');
}

/** `33 (www-data)`. */
function userText(uid: number, name: string | undefined): string {
  return name === undefined ? String(uid) : `${uid} (${name})`;
}

/** What decisions widen, as lines for a terminal: each of them, since they allow more than was recorded. */
export function wideningText(decisions: readonly Decision[]): string[] {
  const rows = decisions.flatMap(({ cidr, destination, rule }) =>
    cidr === undefined ? [] : [[rule, destination, formatPrefix(cidr)]],
  );
  if (rows.length === 0) return [];
  return formatTable(['RULE', 'DESTINATION', 'WIDENED TO'], rows, { indent: 2 });
}

/** What is said of decisions that were taken back. */
export function undoneText(decisions: readonly Decided[]): string[] {
  const shown = decisions.slice(0, SHOWN).map(({ destination, rule }) => `  ${rule}: ${destination}`);
  const more = decisions.length - shown.length;
  return [
    `Undone: ${formatCount(decisions.length, 'decision')}.`,
    ...shown,
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

/** A mark that no question is about: where it stands, and what it says. */
type StrayMark = ReturnType<typeof strayMarks>[number];

/** Rules that have ended by themselves at a moment, in microseconds since the epoch, as lines. */
export function endedText(policy: Policy, now: number): string[] {
  return ruleEnds(policy)
    .filter(({ until }) => until <= now)
    .map(({ rule, until }) => `Rule "${rule}" ended at ${formatMoment(until)}: it allows nothing any more.`);
}

/** What is said of marks that no question is about. */
export function strayText(stray: readonly StrayMark[]): string[] {
  if (stray.length === 0) return [];
  const marks = stray.slice(0, SHOWN).map(({ line, mark }) => `  line ${line}: ${mark}`);
  const more = stray.length - marks.length;
  return [
    `${formatCount(stray.length, 'mark')} left that review cannot settle, since it asks about rules alone. Decide on each, and remove its mark by hand:`,
    ...marks,
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

/** What is to be reviewed, for programs: by questions, and by hand. */
export function reviewJson(
  policy: string,
  items: readonly ReviewItem[],
  byHand: readonly StrayMark[],
): string {
  const json = {
    file: policy,
    items: items.map((item) => {
      const { observations, reasons } = item;
      const names = sumNames(observations);
      return Object.assign(
        { ...decidedOf(item), ...(names.length > 0 && { names }), reasons },
        evidenceOf(item),
      );
    }),
    byHand,
  };
  return jsonDocument('review', json);
}

/** Lines for standard error. */
export function say(...lines: string[]): void {
  process.stderr.write(`${lines.map(visible).join('\n')}\n`);
}
