import { diffPolicies } from '../../policy/analysis/diff.ts';
import { findMarks, removeMarks, type RuleLocation } from '../../policy/file/edit/edit.ts';
import { plainLines, type PlainLines } from '../../format/line-end.ts';
import { containsAddress, type Prefix } from '../../policy/value/cidr.ts';
import { severityOf } from '../subject/oddity.ts';
import { itemKey, type Decision } from './decision.ts';
import { findReview, type ReviewInput, type ReviewItem, type ReviewScope } from './review.ts';
import { carryOut } from './carry-out.ts';
import { parseEdited } from './take-out.ts';
import { destinationAddress } from '../destination/destination.ts';

/** What a decision changes. */
interface Snapshot {
  input: ReviewInput;
  items: ReviewItem[];
  settled: Set<string>;
  covered: Set<string>;
  begun: Map<string, ReviewScope>;
}

/** A policy under review: what is left to decide, and the text as decided so far. */
export class ReviewSession {
  #input: ReviewInput;
  #items: ReviewItem[];
  /** Items that stay in the policy as decided, by key. */
  #settled = new Set<string>();
  /** Items that a decision about another one has settled with it, by key: one about them is still taken. */
  #covered = new Set<string>();
  readonly #undo: Snapshot[] = [];
  /** Rules of which something was decided. */
  #begun = new Map<string, ReviewScope>();

  readonly #lines: PlainLines;

  constructor(input: ReviewInput) {
    this.#lines = plainLines(input.text);
    this.#input = { ...input, text: this.#lines.text };
    this.#items = findReview(this.#input, this.#begun);
  }

  get input(): ReviewInput {
    return this.#input;
  }

  /** With the line ends that it came with. */
  get text(): string {
    return this.#lines.restore(this.#input.text);
  }

  /** What is left to decide, what can do most harm first, and else in the order of the file. */
  get open(): ReviewItem[] {
    const left = this.#items.filter((item) => {
      const key = itemKey(item);
      return !this.#settled.has(key) && !this.#covered.has(key);
    });
    const worst = new Map(left.map((item) => [item, Math.min(...item.reasons.map(severityOf))]));
    return left.sort((a, b) => worst.get(a)! - worst.get(b)!);
  }

  /** Takes the last successful call of `decide` back; false where there is none. */
  undo(): boolean {
    const before = this.#undo.pop();
    if (before === undefined) return false;
    this.#restore(before);
    return true;
  }

  /**
   * Carries out decisions, each on the open item that it is about, and returns those that are about none. The
   * marks of a location go with its last item. Throws BouhekiError `usage` when one cannot be carried out; then
   * none of them is.
   */
  decide(decisions: readonly Decision[]): Decision[] {
    const before: Snapshot = {
      begun: new Map(this.#begun),
      input: this.#input,
      items: this.#items,
      settled: new Set(this.#settled),
      covered: new Set(this.#covered),
    };
    try {
      const unmatched = decisions.filter((decision) => !this.#decideOne(decision));
      if (unmatched.length === decisions.length) return unmatched;
      this.#clear();
      const mayWiden = decisions.some(
        (each) => each.decision === 'widen' || this.#grants(each, before.items),
      );
      if (!mayWiden && diffPolicies(before.input.policy, this.#input.policy).gained.length > 0) {
        throw new Error('the edited policy allows more than before');
      }
      this.#undo.push(before);
      return unmatched;
    } catch (error) {
      this.#restore(before);
      throw error;
    }
  }

  /** Whether it allows what was withheld. */
  #grants(decision: Decision, items: readonly ReviewItem[]): boolean {
    if (decision.decision !== 'allow' && decision.decision !== 'where-seen') return false;
    const key = itemKey(decision);
    return items.some((each) => each.withheld !== undefined && itemKey(each) === key);
  }

  #restore({ begun, covered, input, items, settled }: Snapshot): void {
    this.#input = input;
    this.#items = items;
    this.#begun = begun;
    this.#settled = settled;
    this.#covered = covered;
  }

  #decideOne(decision: Decision): boolean {
    const key = itemKey(decision);
    const item = this.#items.find((each) => itemKey(each) === key && !this.#settled.has(key));
    if (item === undefined) return false;
    this.#settled.add(key);
    if (!item.withheld && !this.#begun.has(item.rule)) this.#begun.set(item.rule, this.#scopeOf(item));
    this.#take(carryOut(this.#input, item, decision));
    if (decision.cidr !== undefined) this.#cover(item, decision.cidr);
    return true;
  }

  /** Whoever widens what allows one destination to a prefix has decided on the others in it. */
  #cover({ observations: [widened], rule }: ReviewItem, cidr: Prefix): void {
    for (const item of this.#items) {
      const within = item.observations.every(
        (each) =>
          each.socket === undefined &&
          each.port === widened!.port &&
          each.protocol === widened!.protocol &&
          containsAddress(cidr, destinationAddress(each)),
      );
      if (item.rule === rule && item.observations.length > 0 && within) this.#covered.add(itemKey(item));
    }
  }

  #scopeOf({ observations }: ReviewItem): ReviewScope {
    return observations.some((each) => this.#input.record.reasons(each).length > 0) ? 'odd' : 'whole';
  }

  #take(text: string): void {
    if (text === this.#input.text) return;
    this.#input = { ...this.#input, text, policy: this.#input.record.follow(parseEdited(text)) };
    this.#items = findReview(this.#input, this.#begun);
  }

  /** Takes the marks away that nothing is left of. */
  #clear(): void {
    const open = new Set(this.open.map(({ location }) => locationKey(location)));
    // From the end of the file, so that places stay true.
    const done = findMarks(this.#input.text)
      .map(({ location }) => location)
      .filter((location) => !open.has(locationKey(location)));
    if (done.length === 0) return;
    let { text } = this.#input;
    for (const location of done.toReversed()) text = removeMarks(text, location);
    this.#take(text);
  }
}

function locationKey({ entry, rule }: RuleLocation): string {
  return `${rule} ${entry ?? ''}`;
}
