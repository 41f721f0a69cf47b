import type { PrefixForest } from '../../generator/prefixes/tree.ts';

/** The fewest prefixes that cover the forest without breaking a limit. */
export function leastBudget({ gap, left, right }: PrefixForest): number {
  const least = new Int32Array(gap.length);
  for (let node = 0; node < gap.length; node++) {
    least[node] = gap[node]! < Infinity ? 1 : least[left[node]!]! + least[right[node]!]!;
  }
  return least.at(-1) ?? 0;
}
