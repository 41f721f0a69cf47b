import type { Candidate } from './grow.ts';
import { Selection } from './selection.ts';

/**
 * How often exchanges may look at each pair of a candidate and a tuple in it, on average, and how many looks
 * a small relation has in any case. They end the search for something better, so a large relation costs in
 * proportion to its size.
 */
const LOOKS = 30;
const LEAST_LOOKS = 2_000_000;

/**
 * Few candidates that together hold every tuple: greedy by newly covered tuples (fewer values where equal),
 * without those that the others make redundant, then improved by exchanging two for one until that no longer
 * helps, or has cost enough.
 */
export function selectCover(candidates: readonly Candidate[], count: number): Candidate[] {
  const selection = new Selection(candidates, count);
  selection.complete();
  const total = candidates.reduce((sum, { tuples }) => sum + tuples.length, 0);
  const limit = selection.effort + LEAST_LOOKS + total * LOOKS;
  // A full round without a gain is the end.
  for (let since = 0, at = 0; since < selection.chosen.length && selection.effort < limit; since++, at++) {
    if (at >= selection.chosen.length) at = 0;
    if (exchange(selection, selection.chosen[at]!, limit)) since = -1;
  }
  return selection.chosen.map((index) => candidates[index]!);
}

/** Tries to do without this candidate and one near it. Returns whether that was better. */
function exchange(selection: Selection, dropped: number, limit: number): boolean {
  for (const other of selection.near(dropped)) {
    if (selection.effort >= limit) return false;
    if (selection.tryWithout(dropped, other)) return true;
  }
  return false;
}
