import type { Candidate } from './grow.ts';

/**
 * Few candidates that together hold every tuple: greedy by newly covered tuples (fewer values where equal),
 * without those that the others make redundant, then improved by exchanging two for one until that no longer
 * helps.
 */
export function selectCover(candidates: readonly Candidate[], count: number): Candidate[] {
  const holders = holdersOf(candidates, count);
  const start = holders.flatMap((list) => (list.length === 1 ? [list[0]!] : []));
  let best = complete(candidates, count, new Set(start));
  for (let improved = true; improved;) {
    improved = false;
    for (const dropped of best) {
      const rest = best.filter((each) => each !== dropped);
      for (const other of partners(candidates, holders, rest, dropped)) {
        const trial = complete(candidates, count, new Set(rest.filter((each) => each !== other)), dropped);
        if (!isBetter(candidates, trial, best)) continue;
        best = trial;
        improved = true;
        break;
      }
      if (improved) break;
    }
  }
  return best.map((index) => candidates[index]!);
}

/** For each tuple the candidates that hold it. */
function holdersOf(candidates: readonly Candidate[], count: number): number[][] {
  const holders: number[][] = Array.from({ length: count }, () => []);
  for (const [index, { tuples }] of candidates.entries())
    for (const tuple of tuples) holders[tuple]!.push(index);
  return holders;
}

/** Chosen boxes that share a candidate with `dropped`: exchanging others together changes nothing. */
function partners(
  candidates: readonly Candidate[],
  holders: readonly number[][],
  rest: readonly number[],
  dropped: number,
): Set<number> {
  const near = new Set<number>();
  for (const tuple of candidates[dropped]!.tuples) {
    for (const holder of holders[tuple]!) {
      for (const other of candidates[holder]!.tuples) {
        for (const index of holders[other]!) near.add(index);
      }
    }
  }
  return new Set(rest.filter((each) => near.has(each)));
}

/**
 * Adds to the chosen what is needed to cover the rest, then drops what is not needed. `avoided` comes last.
 */
function complete(
  candidates: readonly Candidate[],
  count: number,
  chosen: ReadonlySet<number>,
  avoided = -1,
): number[] {
  const times = new Int32Array(count);
  const cover = [...chosen];
  const hold = (index: number) => {
    for (const tuple of candidates[index]!.tuples) times[tuple]!++;
  };
  for (const index of cover) hold(index);
  const gain = candidates.map(({ tuples }) => tuples.length);
  for (let next = mostFresh(candidates, times, gain, avoided); next >= 0;) {
    cover.push(next);
    hold(next);
    next = mostFresh(candidates, times, gain, avoided);
  }
  if (times.includes(0)) {
    cover.push(avoided);
    hold(avoided);
  }
  // The largest boxes were taken first, so the last are the likeliest to be superfluous; their order is
  // stable.
  const needed: number[] = [];
  for (const index of cover.toReversed()) {
    const { tuples } = candidates[index]!;
    if (tuples.some((tuple) => times[tuple] === 1)) needed.push(index);
    else for (const tuple of tuples) times[tuple]!--;
  }
  return needed.toReversed();
}

/**
 * The candidate with most tuples that nothing holds yet; -1 when there is none. `gain` keeps bounds between
 * calls.
 */
function mostFresh(
  candidates: readonly Candidate[],
  times: Int32Array,
  gain: number[],
  avoided: number,
): number {
  let best = -1;
  let bestGain = 1;
  for (const [index, { size, tuples }] of candidates.entries()) {
    // Gains only shrink: an old one is a bound.
    if (gain[index]! < bestGain || index === avoided) continue;
    let fresh = 0;
    for (const tuple of tuples) if (times[tuple] === 0) fresh++;
    gain[index] = fresh;
    if (fresh < bestGain) continue;
    if (best < 0 || fresh > bestGain || size < candidates[best]!.size) {
      best = index;
      bestGain = fresh;
    }
  }
  return best;
}

function isBetter(
  candidates: readonly Candidate[],
  trial: readonly number[],
  best: readonly number[],
): boolean {
  if (trial.length !== best.length) return trial.length < best.length;
  const size = (cover: readonly number[]) => cover.reduce((sum, index) => sum + candidates[index]!.size, 0);
  return size(trial) < size(best);
}
