import type { Candidate } from './grow.ts';
import { Holders } from './holders.ts';

/** Chosen that lost a tuple of their own, and which. */
interface Bereft {
  indexes: number[];
  tuples: number[];
}

/** Candidates chosen to hold every tuple, and what an exchange of some of them would change. */
export class Selection {
  /** In the order in which they were chosen. */
  chosen: number[] = [];
  /** Pairs of a candidate and a tuple that were looked at: what has been spent, whatever the machine. */
  effort = 0;
  readonly #candidates: readonly Candidate[];
  readonly #holders: Holders;
  readonly #isChosen: Uint8Array;
  /** When each candidate was chosen last. */
  readonly #turn: Int32Array;
  #turns = 0;
  /** How many of the chosen hold each tuple. */
  readonly #times: Int32Array;
  /**
   * A tuple that this one of the chosen alone holds, which is why it is needed; -1 while none is known. Every one of
   * them has one between two exchanges. And for each tuple whose it was last.
   */
  readonly #own: Int32Array;
  readonly #ownedBy: Int32Array;
  /** For each candidate the holders of all its tuples: what it takes to look at those. */
  readonly #reach: Float64Array;
  /** In which round each tuple was found open last. */
  readonly #open: Int32Array;
  /** In which round each candidate was looked at, and found, last. */
  readonly #looked: Int32Array;
  readonly #found: Int32Array;
  #round = 0;
  /** How many tuples that are open each candidate holds; 0 between two calls. */
  readonly #gain: Int32Array;

  constructor(candidates: readonly Candidate[], count: number) {
    this.#candidates = candidates;
    this.#holders = new Holders(candidates, count);
    this.#isChosen = new Uint8Array(candidates.length);
    this.#turn = new Int32Array(candidates.length);
    this.#looked = new Int32Array(candidates.length);
    this.#found = new Int32Array(candidates.length);
    this.#times = new Int32Array(count);
    this.#own = new Int32Array(candidates.length).fill(-1);
    this.#ownedBy = new Int32Array(count).fill(-1);
    this.#reach = new Float64Array(candidates.length);
    this.#open = new Int32Array(count);
    this.#gain = new Int32Array(candidates.length);
    for (const [index, { tuples }] of candidates.entries()) {
      for (const tuple of tuples) this.#reach[index]! += this.#holders.times(tuple);
    }
  }

  /** Chooses until every tuple is held, what nothing else can replace first; none is superfluous then. */
  complete(): void {
    for (const only of this.#holders.sole()) {
      if (this.#isChosen[only] === 0) this.#choose(only);
    }
    this.#chooseGreedily();
    const all = this.#inOrder([...this.#candidates.keys()].filter((index) => this.#isChosen[index] === 1));
    this.#releaseSuperfluous(all);
    this.chosen = all.filter((index) => this.#isChosen[index] === 1);
  }

  /** The chosen that share a candidate with this one, in order: exchanging others with it changes nothing. */
  near(dropped: number): number[] {
    const near: number[] = [];
    const round = this.#begin(dropped);
    const { list, start } = this.#holders;
    for (const tuple of this.#candidates[dropped]!.tuples) {
      for (let at = start[tuple]!; at < start[tuple + 1]!; at++) {
        const candidate = list[at]!;
        if (this.#looked[candidate] === round) continue;
        this.#looked[candidate] = round;
        this.effort += this.#candidates[candidate]!.tuples.length;
        this.#chosenWith(candidate, near);
      }
    }
    return this.#inOrder(near);
  }

  /**
   * Drops two of the chosen and chooses anew what they leave open, the first of them only where nothing else
   * will do. Kept where it needs fewer candidates, or as many with fewer values; returns whether.
   */
  tryWithout(dropped: number, other: number): boolean {
    const own = [this.#own[dropped]!, this.#own[other]!];
    this.#release(dropped);
    this.#release(other);
    const open = this.#openOf(dropped, other);
    const added = this.#cover(open, dropped);
    const bereft: Bereft = { indexes: [], tuples: [] };
    for (const index of added) this.#bereave(index, bereft);
    for (const index of added) this.effort += this.#reach[index]!;
    const removed = this.#releaseSuperfluous(this.#inOrder([...bereft.indexes, ...added]));
    const before = [dropped, other, ...removed];
    if (added.length < before.length || (added.length === before.length && this.#isSmaller(added, before))) {
      const kept = this.chosen.filter((index) => this.#isChosen[index] === 1 && !added.includes(index));
      this.chosen = [...kept, ...added.filter((index) => this.#isChosen[index] === 1)];
      return true;
    }
    for (const index of removed) this.#hold(index);
    for (const index of added) this.#release(index);
    this.#hold(dropped);
    this.#hold(other);
    for (const [at, index] of bereft.indexes.entries()) this.#give(index, bereft.tuples[at]!);
    for (const [at, index] of [dropped, other].entries()) this.#give(index, own[at]!);
    return false;
  }

  #isSmaller(some: readonly number[], others: readonly number[]): boolean {
    const size = (list: readonly number[]) =>
      list.reduce((sum, index) => sum + this.#candidates[index]!.size, 0);
    return size(some) < size(others);
  }

  #inOrder(chosen: number[]): number[] {
    return chosen.sort((a, b) => this.#turn[a]! - this.#turn[b]!);
  }

  /** Begins to collect some of the chosen, each once and not this one. */
  #begin(but?: number): number {
    this.#round++;
    if (but !== undefined) this.#found[but] = this.#round;
    return this.#round;
  }

  #choose(index: number): void {
    this.#turn[index] = this.#turns++;
    this.#own[index] = -1;
    this.#hold(index);
  }

  #hold(index: number): void {
    this.#isChosen[index] = 1;
    for (const tuple of this.#candidates[index]!.tuples) this.#times[tuple]!++;
    this.effort += this.#candidates[index]!.tuples.length;
  }

  #release(index: number): void {
    this.#isChosen[index] = 0;
    for (const tuple of this.#candidates[index]!.tuples) this.#times[tuple]!--;
    this.effort += this.#candidates[index]!.tuples.length;
  }

  /** Says that the tuple is held by this one of the chosen alone. */
  #give(index: number, tuple: number): void {
    this.#own[index] = tuple;
    this.#ownedBy[tuple] = index;
  }

  /** Notes which of the chosen had a tuple of their own that this one holds as well now. */
  #bereave(index: number, { indexes, tuples }: Bereft): void {
    for (const tuple of this.#candidates[index]!.tuples) {
      const owner = this.#ownedBy[tuple]!;
      if (owner < 0 || owner === index || this.#own[owner] !== tuple || this.#isChosen[owner] === 0) continue;
      indexes.push(owner);
      tuples.push(tuple);
      this.#own[owner] = -1;
    }
  }

  /** Whether this one of the chosen is alone in holding some tuple. */
  #isNeeded(index: number): boolean {
    for (const tuple of this.#candidates[index]!.tuples) {
      if (this.#times[tuple] !== 1) continue;
      this.#give(index, tuple);
      return true;
    }
    return false;
  }

  /** Adds the chosen that hold a tuple of the candidate and were not found in this round. */
  #chosenWith(candidate: number, to: number[]): void {
    const { list, start } = this.#holders;
    for (const tuple of this.#candidates[candidate]!.tuples) {
      const end = start[tuple + 1]!;
      this.effort += end - start[tuple]!;
      for (let at = start[tuple]!; at < end; at++) {
        const index = list[at]!;
        if (this.#isChosen[index] === 0 || this.#found[index] === this.#round) continue;
        this.#found[index] = this.#round;
        to.push(index);
      }
    }
  }

  /** The tuples of two candidates that none of the chosen holds. */
  #openOf(one: number, other: number): number[] {
    const open: number[] = [];
    const round = this.#begin();
    for (const candidate of [one, other]) {
      for (const tuple of this.#candidates[candidate]!.tuples) {
        if (this.#times[tuple] !== 0 || this.#open[tuple] === round) continue;
        this.#open[tuple] = round;
        open.push(tuple);
      }
    }
    return open;
  }

  /** Chooses, one by one, the candidate with most of the open tuples, fewest values, lowest number. */
  #cover(open: readonly number[], avoided: number): number[] {
    const touched: number[] = [];
    const { list, start } = this.#holders;
    for (const tuple of open) {
      for (let at = start[tuple]!; at < start[tuple + 1]!; at++) {
        if (this.#gain[list[at]!]!++ === 0) touched.push(list[at]!);
      }
    }
    const added: number[] = [];
    for (let left = open.length; left > 0;) {
      let best = -1;
      for (const index of touched) {
        if (index !== avoided && (best < 0 || this.#isBetter(index, best))) best = index;
      }
      this.effort += touched.length;
      if (best < 0 || this.#gain[best] === 0) best = avoided;
      left -= this.#claim(best);
      added.push(best);
      this.#choose(best);
    }
    return added;
  }

  #isBetter(index: number, other: number): boolean {
    const more = this.#gain[index]! - this.#gain[other]!;
    if (more !== 0) return more > 0;
    const larger = this.#candidates[index]!.size - this.#candidates[other]!.size;
    return larger < 0 || (larger === 0 && index < other);
  }

  /** The same for all that is open, by lists of candidates with equal gains. */
  #chooseGreedily(): void {
    const gain = this.#gain;
    const byGain: number[][] = [];
    const put = (index: number) => (byGain[gain[index]!] ??= []).push(index);
    for (const [index, { tuples }] of this.#candidates.entries()) {
      for (const tuple of tuples) if (this.#times[tuple] === 0) gain[index]!++;
      put(index);
    }
    for (let most = byGain.length - 1; most > 0; most--) {
      const level = byGain[most];
      if (level === undefined) continue;
      delete byGain[most];
      level.sort((a, b) => this.#candidates[a]!.size - this.#candidates[b]!.size || a - b);
      // Gains only shrink, so who is still at this level is the best there is.
      for (const index of level) {
        if (gain[index] !== most) {
          put(index);
          continue;
        }
        this.#claim(index);
        this.#choose(index);
      }
    }
  }

  /** Takes the open tuples of the candidate from the gains of all that hold them. Returns how many. */
  #claim(index: number): number {
    const { list, start } = this.#holders;
    let claimed = 0;
    for (const tuple of this.#candidates[index]!.tuples) {
      if (this.#times[tuple] !== 0) continue;
      claimed++;
      for (let at = start[tuple]!; at < start[tuple + 1]!; at++) this.#gain[list[at]!]!--;
    }
    return claimed;
  }

  /** Releases those whose tuples are held by others as well, the last first, and returns them. */
  #releaseSuperfluous(order: readonly number[]): number[] {
    // The largest boxes were taken first, so the last are the likeliest to be superfluous.
    return order.toReversed().filter((index) => {
      if (this.#isNeeded(index)) return false;
      this.#release(index);
      return true;
    });
  }
}
