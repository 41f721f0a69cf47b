import { BouhekiError } from '../../error/error.ts';
import type { Prefix } from '../../policy/value/cidr.ts';
import { mergePrefixes } from '../../policy/value/prefix-set.ts';
import { blocksOf, prefixAround } from './blocks.ts';
import { floorsOf, type Limits } from './floor.ts';
import { convexHull, type CurvePoint } from './hull.ts';
import { optimalCover } from './optimum.ts';
import { growForest, type FlooredBlocks, type PrefixForest } from './tree.ts';

/** Several sets of observed blocks that share one budget of prefixes. */
export class SharedCover {
  readonly #forest: PrefixForest;
  readonly #sets: (FlooredBlocks & { group: number })[] = [];
  readonly #groups: readonly (readonly Prefix[])[];
  #hull: CurvePoint[] | undefined;

  /** Neither a group nor what the limits deny may share an address. Groups may hold both families. */
  constructor(groups: readonly (readonly Prefix[])[], limits: Limits) {
    this.#groups = groups.map(mergePrefixes);
    for (const [group, prefixes] of this.#groups.entries()) {
      for (const family of [4, 6] as const) {
        const blocks = blocksOf(prefixes, family);
        if (blocks.length.length === 0) continue;
        this.#sets.push({ group, blocks, floors: floorsOf(blocks, family, limits) });
      }
    }
    this.#forest = growForest(this.#sets);
  }

  /** Prefixes when nothing that was not observed is covered. */
  get lossless(): number {
    return this.#groups.reduce((sum, prefixes) => sum + prefixes.length, 0);
  }

  /** The fewest prefixes that break no limit. */
  get least(): number {
    return this.curve.at(-1)!.count;
  }

  /** The convex hull of unobserved units over prefixes, from most prefixes to fewest. */
  get curve(): readonly CurvePoint[] {
    this.#hull ??= convexHull(this.#forest);
    return this.#hull;
  }

  /**
   * For each group the prefixes that cover it, `budget` in all, so that as few addresses as possible are
   * covered that were not observed. Throws BouhekiError `usage` with the least feasible budget when this one
   * is too small.
   */
  within(budget: number): Prefix[][] {
    if (budget >= this.lossless) return this.#groups.map((prefixes) => [...prefixes]);
    const cover = optimalCover(this.#forest, budget, this.curve);
    if (cover === undefined) {
      const { least } = this;
      throw new BouhekiError(
        'usage',
        `${budget} CIDRs cannot hold what was observed; the fewest are ${least}`,
        {
          remedy: `Use --max-cidrs ${least} or more. Denied addresses, private ranges, and rules with other ports each need prefixes of their own.`,
        },
      );
    }
    const covered: Prefix[][] = this.#groups.map(() => []);
    for (const node of cover.nodes) {
      const { group, blocks } = this.#sets[this.#forest.set[node]!]!;
      covered[group]!.push(prefixAround(blocks, this.#forest.first[node]!, this.#forest.length[node]!));
    }
    return covered.map(mergePrefixes);
  }
}
