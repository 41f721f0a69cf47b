import { createInterface, type Interface } from 'node:readline/promises';
import { BouhekiError } from '../../error/error.ts';
import type { Decided, Decision, DecisionKind } from '../../generator/review/decision.ts';
import { groupItems, type ReviewItem } from '../../generator/review/review.ts';
import type { ReviewSession } from '../../generator/review/review-session.ts';
import { prefixFor, widerFor } from '../../generator/review/carry-out.ts';
import { containsAddress, formatPrefix, parsePrefix, type Prefix } from '../../policy/value/cidr.ts';
import type { SampleProcess } from '../../profiler/read/sample-sql.ts';
import { type Question, questionText, say, undoneText, whyText } from './review-text.ts';
import { destinationAddress } from '../../generator/destination/destination.ts';

const ANSWERS = [
  'allow',
  'deny',
  'ignore',
  'narrow',
  'widen',
  'why',
  'each',
  'undo',
  'skip',
  'quit',
] as const;
type Answer = (typeof ANSWERS)[number];

/** Letters that stand for an answer. `w` is widen, so why is `y` or `?`. */
const LETTERS: Readonly<Record<string, Answer>> = {
  a: 'allow',
  d: 'deny',
  i: 'ignore',
  n: 'narrow',
  w: 'widen',
  y: 'why',
  '?': 'why',
  e: 'each',
  u: 'undo',
  s: 'skip',
  q: 'quit',
};

/** How decisions are made and kept. */
export interface Desk {
  session: ReviewSession;
  /** Called after each decision that was carried out. */
  decided(decisions: readonly Decision[]): void;
  /** Called after the last decisions were taken back. */
  undone(decisions: readonly Decision[]): void;
  /**
   * Takes back what was decided last in a review before this one, with another session for the rest. Undefined where
   * the policy has changed since.
   */
  undoEarlier(): readonly Decided[] | undefined;
  sample(item: ReviewItem): Promise<SampleProcess | undefined>;
}

/**
 * Asks in a terminal until nothing is left or the user has had enough: by `quit`, the end of input, or
 * Ctrl-C.
 */
export async function askAll(desk: Desk): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const skipped = new Set<string>();
  const apart = new Set<string>();
  const made: (readonly Decision[])[] = [];
  const all = desk.session.open.length;
  try {
    for (;;) {
      const left = desk.session.open;
      const groups = groupItems(left).flatMap((group) =>
        apart.has(idOf(group)) ? group.map((item) => [item]) : [group],
      );
      const items = groups.find((group) => !group.every((item) => skipped.has(idOf([item]))));
      if (items === undefined) return;
      const answer = await askOne(terminal, desk, { items, left: left.length, all });
      if (answer === 'quit') return;
      if (typeof answer === 'object') made.push(answer);
      if (answer === 'undo') takeBack(desk, made);
      if (answer === 'skip') for (const item of items) skipped.add(idOf([item]));
      if (answer === 'each') apart.add(idOf(items));
    }
  } finally {
    terminal.close();
  }
}

function takeBack(desk: Desk, made: (readonly Decision[])[]): void {
  const last = made.pop();
  if (last === undefined) {
    const earlier = desk.undoEarlier();
    say(...(earlier === undefined ? CANNOT_UNDO : undoneText(earlier)));
    return;
  }
  desk.session.undo();
  desk.undone(last);
  say(...undoneText(last));
}

const CANNOT_UNDO = [
  'There is nothing to undo in this review, and of earlier ones nothing, or the policy has changed since. To take back',
  'such a decision, edit the policy, and remove its line from the file of decisions: else it is carried out again when',
  'the policy asks about it.',
];

/** Whether the answer is yes; anything else, and the end of input, is no. */
export async function askYes(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^\s*y(es)?\s*$/i.test((await ask(terminal, question)) ?? '');
  } finally {
    terminal.close();
  }
}

/** Stays the same while places in the text move. */
function idOf(items: readonly ReviewItem[]): string {
  const [item] = items;
  return JSON.stringify([item!.rule, item!.reasons, items.length === 1 ? item!.destination : '']);
}

/** The decisions that were carried out, or what else was answered. */
async function askOne(
  terminal: Interface,
  desk: Desk,
  { all, items, left }: Pick<Question, 'items' | 'left' | 'all'>,
): Promise<readonly Decision[] | 'skip' | 'each' | 'undo' | 'quit'> {
  const { session } = desk;
  const [item] = items;
  const single = items.length === 1;
  const allowedBy = single ? prefixFor(session.input, item!) : undefined;
  say(...questionText({ items, left, all, allowedBy, sample: await desk.sample(item!) }));
  const choices = `(a)llow (d)eny (i)gnore ${single ? '(n)arrow ' : '(e)ach '}(w)iden wh(y) (u)ndo (s)kip (q)uit: `;
  for (;;) {
    const answer = readAnswer(await ask(terminal, choices));
    if (answer === 'quit' || answer === 'skip' || answer === 'undo') return answer;
    if (answer === 'each' && !single) return 'each';
    if (!isDecision(answer, single)) {
      say(...answerText(answer, items));
      continue;
    }
    const cidr = answer === 'widen' ? await askPrefix(terminal, widerFor(session.input, item!)) : undefined;
    if (answer === 'widen' && cidr === undefined) continue;
    const made = decide(desk, cidr === undefined ? items : within(items, cidr), answer, cidr);
    if (made !== undefined) return made;
  }
}

/** The items that a prefix holds: the others are asked about again. All where it holds none, which is refused. */
function within(items: readonly ReviewItem[], cidr: Prefix): readonly ReviewItem[] {
  const held = items.filter(({ observations }) =>
    observations.every((each) => containsAddress(cidr, destinationAddress(each))),
  );
  return held.length === 0 ? items : held;
}

/** Whether it decides; to narrow takes a single destination. */
function isDecision(answer: Answer | undefined, single: boolean): answer is DecisionKind {
  if (answer === 'narrow') return single;
  return answer === 'allow' || answer === 'deny' || answer === 'ignore' || answer === 'widen';
}

/** What is said to an answer that leaves the question open. */
function answerText(answer: Answer | undefined, items: readonly ReviewItem[]): string[] {
  if (answer === undefined) return ['Answer with one of the letters.'];
  if (answer === 'why') return whyText(items);
  return [answer === 'each' ? 'There is only one destination.' : 'Take each destination by itself first: e.'];
}

/** Carries decisions out and keeps them; undefined, with the reason said, when one cannot be. */
function decide(
  desk: Desk,
  items: readonly ReviewItem[],
  decision: DecisionKind,
  cidr: Prefix | undefined,
): readonly Decision[] | undefined {
  const decisions = items.map(({ destination, rule }): Decision => {
    const chosen: Decision = { rule, destination, decision };
    if (cidr !== undefined) chosen.cidr = cidr;
    return chosen;
  });
  try {
    desk.session.decide(decisions);
  } catch (error) {
    if (!(error instanceof BouhekiError)) throw error;
    say(`${error.message}. ${error.remedy}`);
    return undefined;
  }
  desk.decided(decisions);
  return decisions;
}

async function askPrefix(terminal: Interface, suggested: Prefix | undefined): Promise<Prefix | undefined> {
  const text = suggested ? formatPrefix(suggested) : '';
  const answer = await ask(terminal, `CIDR to widen to${text && ` [${text}]`}: `);
  const chosen = answer === undefined || answer.trim() === '' ? suggested : parsePrefix(answer.trim());
  if (chosen === undefined) say('That is no CIDR.');
  return chosen;
}

function readAnswer(line: string | undefined): Answer | undefined {
  if (line === undefined) return 'quit';
  const word = line.trim().toLowerCase();
  return LETTERS[word] ?? ANSWERS.find((answer) => answer === word);
}

/** A line; undefined at the end of input and after Ctrl-C. */
async function ask(terminal: Interface, question: string): Promise<string | undefined> {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  terminal.once('close', stop).once('SIGINT', stop);
  try {
    return await terminal.question(question, { signal: controller.signal });
  } catch (error) {
    if (
      (error as Error).name !== 'AbortError' &&
      (error as NodeJS.ErrnoException).code !== 'ERR_USE_AFTER_CLOSE'
    )
      throw error;
    process.stderr.write('\n');
    return undefined;
  } finally {
    terminal.off('close', stop).off('SIGINT', stop);
  }
}
