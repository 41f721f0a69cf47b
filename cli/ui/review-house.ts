import { createHash } from 'node:crypto';
import { BouhekiError } from '../../error/error.ts';
import { formatCount } from '../../format/number.ts';
import { widerFor, prefixFor } from '../../generator/review/carry-out.ts';
import { type Decision, type DecisionKind, itemKey } from '../../generator/review/decision.ts';
import { diffOf } from '../../generator/review/text-diff.ts';
import { strayMarks } from '../../policy/file/edit/edit.ts';
import { formatPrefix, parsePrefix } from '../../policy/value/cidr.ts';
import { evidenceRows, progressText, questionFacts } from '../report/review-text.ts';
import type { AskedDestination, Preview, ReviewPage } from '../page/html/review-page.ts';
import { type CourseQuestion, type DecisiveAnswer, ReviewCourse } from '../review/course.ts';
import { beginReview, type ReviewDesk } from '../review/desk.ts';
import type { Reply } from './door-message.ts';
import { reviewReply } from './reply.ts';

type Fields = Readonly<Record<string, string>>;

const TITLES: Readonly<Record<DecisionKind, string>> = {
  allow: 'Allow',
  deny: 'Deny',
  ignore: 'Ignore',
  narrow: 'Narrow',
  widen: 'Widen',
  'where-seen': 'Allow where seen',
};
const REVIEW: Reply = { location: 'review' };
const CONFLICT = 409;

/** A review that is asked for in a browser, over the desk of `bouheki review`: one file of decisions, one way to it. */
export class ReviewHouse {
  readonly #file: string;
  readonly #db: string;
  #desk!: ReviewDesk;
  #course!: ReviewCourse;
  /** Earlier decisions that widen, and wait for a yes. */
  #widening: readonly Decision[] = [];
  /** What was done last, until it has been shown. */
  #done: string | undefined;

  private constructor(file: string, db: string) {
    this.#file = file;
    this.#db = db;
  }

  /** Throws as `beginReview`. */
  static async open(file: string, db: string): Promise<ReviewHouse> {
    const house = new ReviewHouse(file, db);
    await house.#begin();
    return house;
  }

  /** The question, with what the answer in `fields` would change. */
  async show(fields: Fields): Promise<Reply> {
    const { question } = this.#course;
    if (fields.answer === undefined || question === undefined || this.#widening.length > 0) {
      return reviewReply(await this.#page());
    }
    const answer = answerOf(fields);
    if (typeof answer === 'string') return reviewReply(await this.#page(answer), CONFLICT);
    const after = this.#course.preview(question.items, answer);
    if (after instanceof BouhekiError) return reviewReply(await this.#page(textOf(after)), CONFLICT);
    return reviewReply(await this.#page(undefined, this.#previewOf(answer, after)));
  }

  /** Does what a form says, if it was made of what is asked now. */
  async act(fields: Fields): Promise<Reply> {
    if (fields.state !== this.#state()) {
      return await this.#conflict('What is asked has changed since that page was made. This is it now.');
    }
    try {
      const message = await this.#do(fields);
      return message === undefined ? REVIEW : await this.#conflict(message);
    } catch (error) {
      // The file was changed by another program, or cannot be written: what it holds now counts.
      if (!(error instanceof BouhekiError)) throw error;
      await this.#begin();
      return await this.#conflict(`${textOf(error)} What is asked is of the file as it is now.`);
    }
  }

  /** Begins with what the files hold now. */
  async #begin(): Promise<void> {
    const { again, desk, remembered } = await beginReview(this.#file, this.#db);
    desk.keep(again.changes);
    this.#desk = desk;
    this.#widening = desk.wideningOf(remembered);
    this.#course = new ReviewCourse(desk);
  }

  /** What stands against it; undefined once it is done. */
  async #do(fields: Fields): Promise<string | undefined> {
    if (this.#widening.length > 0) return this.#widenAgain(fields.do);
    const { question } = this.#course;
    switch (fields.do) {
      case 'undo':
        return this.#undo();
      case 'skipped':
        this.#course.askSkipped();
        return undefined;
      case 'skip':
        if (question !== undefined) this.#course.skip(question.items);
        return undefined;
      case 'each':
        if (question !== undefined) this.#course.each(question.items);
        return undefined;
      case 'take':
        return question === undefined ? undefined : this.#take(question, fields);
      default:
        return 'There is no such answer.';
    }
  }

  #take({ items }: CourseQuestion, fields: Fields): string | undefined {
    const answer = answerOf(fields);
    if (typeof answer === 'string') return answer;
    const after = this.#course.preview(items, answer);
    if (after instanceof BouhekiError) return textOf(after);
    // Nothing is written that was not shown.
    if (digestOf(after) !== fields.seen) return 'It would change something else now: look again.';
    const refused = this.#course.decide(items, answer);
    if (refused !== undefined) return textOf(refused);
    this.#done = `${titleOf(answer, items.length)}: done, and kept in ${this.#desk.log}.`;
    return undefined;
  }

  #undo(): string | undefined {
    const undone = this.#course.undo();
    if (undone !== undefined) {
      const [first, ...more] = undone.map(({ destination }) => destination);
      this.#done = `Taken back: ${first!}${more.length === 0 ? '' : ` and ${more.length} more`}.`;
      return undefined;
    }
    return 'There is nothing that can be taken back: no answer, or the policy has changed since.';
  }

  #widenAgain(what: string | undefined): string | undefined {
    if (what !== 'again' && what !== 'anew') return 'Answer with yes or no first.';
    const widening = this.#widening;
    this.#widening = [];
    const refused = what === 'again' ? this.#desk.widenAgain(widening) : [];
    this.#course = new ReviewCourse(this.#desk);
    return refused.length === 0 ? undefined : refused.map(textOf).join(' ');
  }

  async #conflict(message: string): Promise<Reply> {
    return reviewReply(await this.#page(message), CONFLICT);
  }

  async #page(message?: string, preview?: Preview): Promise<ReviewPage> {
    const page = { file: this.#file, message, done: this.#done, state: this.#state() };
    this.#done = undefined;
    if (this.#widening.length > 0) {
      const widening = this.#widening.map(({ cidr, destination, rule }) => ({
        rule,
        destination,
        cidr: cidr === undefined ? '' : formatPrefix(cidr),
      }));
      return { ...page, ask: { kind: 'again', widening } };
    }
    const { question } = this.#course;
    if (question !== undefined) return { ...page, ask: await this.#asked(question, preview) };
    const { open, text } = this.#desk.session;
    const byHand = strayMarks(text).map(({ line, mark }) => `line ${line}: ${mark}`);
    return { ...page, ask: { kind: 'nothing', skipped: open.length, byHand } };
  }

  async #asked(question: CourseQuestion, preview: Preview | undefined): Promise<AskedDestination> {
    const { items } = question;
    const { session } = this.#desk;
    const [item] = items;
    const single = items.length === 1;
    const wider = widerFor(session.input, item!);
    const allowedBy = single ? prefixFor(session.input, item!) : undefined;
    const sample = await this.#desk.sample(item!);
    return {
      kind: 'destination',
      progress: progressText(question),
      facts: questionFacts({ ...question, allowedBy, sample }),
      evidence: evidenceRows(items),
      single,
      withheld: item!.withheld !== undefined,
      wider: wider === undefined ? '' : formatPrefix(wider),
      preview,
    };
  }

  #previewOf(answer: DecisiveAnswer, after: string): Preview {
    const { cidr, decision } = answer;
    return {
      answer: decision,
      cidr: cidr === undefined ? '' : formatPrefix(cidr),
      title: titleOf(answer, this.#course.question!.items.length),
      difference: diffOf(this.#desk.session.text, after),
      seen: digestOf(after),
    };
  }

  /** Stands for the text of the policy and for what is asked of it. */
  #state(): string {
    const items = this.#course.question?.items.map(itemKey);
    return digestOf(JSON.stringify([this.#desk.session.text, this.#widening.length, items]));
  }
}

/** What a form answers, or why it is none. */
function answerOf({ answer, cidr }: Fields): DecisiveAnswer | string {
  if (answer === undefined || !Object.hasOwn(TITLES, answer)) return 'There is no such answer.';
  const decision = answer as DecisionKind;
  if (decision !== 'widen') return { decision, cidr: undefined };
  const prefix = parsePrefix((cidr ?? '').trim());
  return prefix === undefined
    ? `"${cidr ?? ''}" is no CIDR, such as 192.0.2.0/24.`
    : { decision, cidr: prefix };
}

/** What is done to so many destinations: `Deny 10 destinations`, `Widen to 192.0.2.0/24`. */
function titleOf({ cidr, decision }: DecisiveAnswer, count: number): string {
  if (cidr !== undefined) return `${TITLES[decision]} to ${formatPrefix(cidr)}`;
  return count === 1 ? TITLES[decision] : `${TITLES[decision]} ${formatCount(count, 'destination')}`;
}

function textOf({ message, remedy }: BouhekiError): string {
  return `${message}.${remedy === undefined ? '' : ` ${remedy}`}`;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
