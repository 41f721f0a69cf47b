import { createInterface, type Interface } from 'node:readline/promises';
import { prefixFor, widerFor } from '../../generator/review/carry-out.ts';
import type { DecisionKind } from '../../generator/review/decision.ts';
import type { ReviewItem } from '../../generator/review/review.ts';
import { formatPrefix, parsePrefix, type Prefix } from '../../policy/value/cidr.ts';
import { questionText, say, undoneText, whyText } from '../report/review-text.ts';
import { type CourseQuestion, type Desk, ReviewCourse } from './course.ts';

const ANSWERS = [
  'allow',
  'deny',
  'ignore',
  'narrow',
  'widen',
  'where-seen',
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
  h: 'where-seen',
  w: 'widen',
  y: 'why',
  '?': 'why',
  e: 'each',
  u: 'undo',
  s: 'skip',
  q: 'quit',
};

/**
 * Asks in a terminal until nothing is left or the user has had enough: by `quit`, the end of input, or
 * Ctrl-C.
 */
export async function askAll(desk: Desk): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const course = new ReviewCourse(desk);
  try {
    for (;;) {
      const { question } = course;
      if (question === undefined) return;
      const answer = await askOne(terminal, course, question);
      if (answer === 'quit') return;
      if (answer === 'undo') takeBack(course);
      if (answer === 'skip') course.skip(question.items);
      if (answer === 'each') course.each(question.items);
    }
  } finally {
    terminal.close();
  }
}

function takeBack(course: ReviewCourse): void {
  const undone = course.undo();
  say(...(undone === undefined ? CANNOT_UNDO : undoneText(undone)));
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

/** What was answered; `decided` once that was carried out. */
async function askOne(
  terminal: Interface,
  course: ReviewCourse,
  { all, items, left }: CourseQuestion,
): Promise<'decided' | 'skip' | 'each' | 'undo' | 'quit'> {
  const { desk } = course;
  const { session } = desk;
  const [item] = items;
  const single = items.length === 1;
  const allowedBy = single ? prefixFor(session.input, item!) : undefined;
  say(...questionText({ items, left, all, allowedBy, sample: await desk.sample(item!) }));
  const choices = choicesFor(item!, single);
  for (;;) {
    const answer = readAnswer(await ask(terminal, choices));
    if (answer === 'quit' || answer === 'skip' || answer === 'undo') return answer;
    if (answer === 'each' && !single) return 'each';
    if (!isDecision(answer, single, item!)) {
      say(...answerText(answer, items));
      continue;
    }
    const cidr = answer === 'widen' ? await askPrefix(terminal, widerFor(session.input, item!)) : undefined;
    if (answer === 'widen' && cidr === undefined) continue;
    const refused = course.decide(items, { decision: answer, cidr });
    if (refused === undefined) return 'decided';
    say(`${refused.message}. ${refused.remedy}`);
  }
}

function choicesFor({ withheld }: ReviewItem, single: boolean): string {
  const own = withheld
    ? `(a)llow everywhere, on t(h)ese hosts (d)eny (i)gnore ${single ? '' : '(e)ach '}`
    : `(a)llow (d)eny (i)gnore ${single ? '(n)arrow ' : '(e)ach '}(w)iden `;
  return `${own}wh(y) (u)ndo (s)kip (q)uit: `;
}

/** Whether it decides; to narrow takes a single destination. */
function isDecision(
  answer: Answer | undefined,
  single: boolean,
  { withheld }: ReviewItem,
): answer is DecisionKind {
  if (answer === 'where-seen') return withheld !== undefined;
  if (withheld && (answer === 'narrow' || answer === 'widen')) return false;
  if (answer === 'narrow') return single;
  return answer === 'allow' || answer === 'deny' || answer === 'ignore' || answer === 'widen';
}

/** What is said to an answer that leaves the question open. */
function answerText(answer: Answer | undefined, items: readonly ReviewItem[]): string[] {
  if (answer === undefined) return ['Answer with one of the letters.'];
  if (answer === 'why') return whyText(items);
  return [answer === 'each' ? 'There is only one destination.' : 'Take each destination by itself first: e.'];
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
