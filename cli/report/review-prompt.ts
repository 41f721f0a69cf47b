import { createInterface, type Interface } from 'node:readline/promises';
import { BouhekiError } from '../../error/error.ts';
import type { Decision, DecisionKind } from '../../generator/review/decision.ts';
import { groupItems, type ReviewItem } from '../../generator/review/review.ts';
import type { ReviewSession } from '../../generator/review/review-session.ts';
import { prefixFor, widerFor } from '../../generator/review/carry-out.ts';
import { formatPrefix, parsePrefix, type Prefix } from '../../policy/value/cidr.ts';
import type { SampleProcess } from '../../profiler/read/sample-sql.ts';
import { questionText, say, whyText } from './review-text.ts';

const ANSWERS = ['allow', 'deny', 'ignore', 'narrow', 'widen', 'why', 'each', 'skip', 'quit'] as const;
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
  s: 'skip',
  q: 'quit',
};

/** How decisions are made and kept. */
export interface Desk {
  session: ReviewSession;
  /** Called after each decision that was carried out. */
  decided(decisions: readonly Decision[]): void;
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
  try {
    for (;;) {
      const left = desk.session.open;
      const groups = groupItems(left).flatMap((group) =>
        apart.has(idOf(group)) ? group.map((item) => [item]) : [group],
      );
      const items = groups.find((group) => !group.every((item) => skipped.has(idOf([item]))));
      if (items === undefined) return;
      const answer = await askOne(terminal, desk, items, left.length);
      if (answer === 'quit') return;
      if (answer === 'skip') for (const item of items) skipped.add(idOf([item]));
      if (answer === 'each') apart.add(idOf(items));
    }
  } finally {
    terminal.close();
  }
}

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

async function askOne(
  terminal: Interface,
  desk: Desk,
  items: readonly ReviewItem[],
  left: number,
): Promise<'settled' | 'skip' | 'each' | 'quit'> {
  const { session } = desk;
  const [item] = items;
  const single = items.length === 1;
  const allowedBy = single ? prefixFor(session.input, item!) : undefined;
  say(...questionText({ items, left, allowedBy, sample: await desk.sample(item!) }));
  const choices = `(a)llow (d)eny (i)gnore ${single ? '(n)arrow (w)iden' : '(e)ach'} wh(y) (s)kip (q)uit: `;
  for (;;) {
    const answer = readAnswer(await ask(terminal, choices));
    if (answer === 'quit' || answer === 'skip') return answer;
    if (answer === 'each' && !single) return 'each';
    if (!isDecision(answer, single)) {
      say(...answerText(answer, items));
      continue;
    }
    const cidr = answer === 'widen' ? await askPrefix(terminal, widerFor(session.input, item!)) : undefined;
    if (answer === 'widen' && cidr === undefined) continue;
    if (decide(desk, items, answer, cidr)) return 'settled';
  }
}

/** Whether it decides; to narrow and to widen takes a single destination. */
function isDecision(answer: Answer | undefined, single: boolean): answer is DecisionKind {
  if (answer === 'narrow' || answer === 'widen') return single;
  return answer === 'allow' || answer === 'deny' || answer === 'ignore';
}

/** What is said to an answer that leaves the question open. */
function answerText(answer: Answer | undefined, items: readonly ReviewItem[]): string[] {
  if (answer === undefined) return ['Answer with one of the letters.'];
  if (answer === 'why') return whyText(items);
  return [answer === 'each' ? 'There is only one destination.' : 'Take each destination by itself first: e.'];
}

/** Carries decisions out and keeps them; false, with the reason said, when one cannot be. */
function decide(
  desk: Desk,
  items: readonly ReviewItem[],
  decision: DecisionKind,
  cidr: Prefix | undefined,
): boolean {
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
    return false;
  }
  desk.decided(decisions);
  return true;
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
