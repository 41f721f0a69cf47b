import { BouhekiError } from '../../error/error.ts';
import { destinationAddress } from '../../generator/destination/destination.ts';
import {
  type Decided,
  decidedOf,
  type Decision,
  type DecisionKind,
} from '../../generator/review/decision.ts';
import { groupItems, type ReviewItem } from '../../generator/review/review.ts';
import type { ReviewSession } from '../../generator/review/review-session.ts';
import { containsAddress, type Prefix } from '../../policy/value/cidr.ts';
import type { SampleProcess } from '../../profiler/read/sample-sql.ts';
import type { Question } from '../report/review-text.ts';

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

/** What is asked next: items with one mark and one set of reasons, and how many are left. */
export type CourseQuestion = Pick<Question, 'items' | 'left' | 'all'>;

/** An answer that decides. `cidr` is what to widen to, and given for that alone. */
export interface DecisiveAnswer {
  decision: DecisionKind;
  cidr: Prefix | undefined;
}

/** The way through a review, for whoever asks: which question comes next, and what becomes of its answer. */
export class ReviewCourse {
  readonly desk: Desk;
  readonly #all: number;
  readonly #skipped = new Set<string>();
  readonly #apart = new Set<string>();
  readonly #made: (readonly Decision[])[] = [];

  constructor(desk: Desk) {
    this.desk = desk;
    this.#all = desk.session.open.length;
  }

  /** Undefined when nothing is left but what was skipped. */
  get question(): CourseQuestion | undefined {
    const left = this.desk.session.open;
    const groups = groupItems(left).flatMap((group) =>
      this.#apart.has(idOf(group)) ? group.map((item) => [item]) : [group],
    );
    const items = groups.find((group) => !group.every((item) => this.#skipped.has(idOf([item]))));
    return items && { items, left: left.length, all: this.#all };
  }

  /** Not to be asked about in this review. */
  skip(items: readonly ReviewItem[]): void {
    for (const item of items) this.#skipped.add(idOf([item]));
  }

  /** To be asked about after all. */
  askSkipped(): void {
    this.#skipped.clear();
  }

  /** To be asked about one by one. */
  each(items: readonly ReviewItem[]): void {
    this.#apart.add(idOf(items));
  }

  /** Carries an answer out and keeps it. Returns why it cannot be carried out; throws where it cannot be kept. */
  decide(items: readonly ReviewItem[], answer: DecisiveAnswer): BouhekiError | undefined {
    const decisions = decisionsOf(items, answer);
    const refused = this.#carryOut(decisions);
    if (refused !== undefined) return refused;
    this.desk.decided(decisions);
    this.#made.push(decisions);
    return undefined;
  }

  /** The policy's text as an answer would leave it, or why it cannot be carried out. Nothing is changed. */
  preview(items: readonly ReviewItem[], answer: DecisiveAnswer): string | BouhekiError {
    const refused = this.#carryOut(decisionsOf(items, answer));
    if (refused !== undefined) return refused;
    const { session } = this.desk;
    const { text } = session;
    session.undo();
    return text;
  }

  /** Takes the last answer back, also one of an earlier review. Undefined where there is none that can be. */
  undo(): readonly Decided[] | undefined {
    const last = this.#made.pop();
    if (last === undefined) return this.desk.undoEarlier();
    this.desk.session.undo();
    this.desk.undone(last);
    return last;
  }

  #carryOut(decisions: readonly Decision[]): BouhekiError | undefined {
    try {
      this.desk.session.decide(decisions);
      return undefined;
    } catch (error) {
      if (error instanceof BouhekiError) return error;
      throw error;
    }
  }
}

/** Stays the same while places in the text move. */
function idOf(items: readonly ReviewItem[]): string {
  const [item] = items;
  return JSON.stringify([item!.rule, item!.from, item!.reasons, items.length === 1 ? item!.destination : '']);
}

/** To widen decides on what the prefix holds alone. */
function decisionsOf(items: readonly ReviewItem[], { cidr, decision }: DecisiveAnswer): Decision[] {
  const meant = cidr === undefined ? items : within(items, cidr);
  return meant.map((item): Decision => {
    return Object.assign(decidedOf(item), { decision, ...(cidr !== undefined && { cidr }) });
  });
}

/** The items that a prefix holds: the others are asked about again. All where it holds none, which is refused. */
function within(items: readonly ReviewItem[], cidr: Prefix): readonly ReviewItem[] {
  const held = items.filter(({ observations }) =>
    observations.every((each) => containsAddress(cidr, destinationAddress(each))),
  );
  return held.length === 0 ? items : held;
}
