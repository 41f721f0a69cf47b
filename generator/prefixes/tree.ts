import { type Blocks, commonLength } from './blocks.ts';

/**
 * Trees of longest common prefixes, one for each set of blocks, joined by nodes that are no prefix. The
 * optimum over all sets of prefixes is an antichain of such nodes: shrinking a prefix to what its observed
 * addresses have in common covers nothing more (Soldo, Argyraki, Markopoulou, "Optimal Source-Based Filtering
 * of Malicious Traffic", IEEE/ACM ToN 2012). Children stand before their parent and the left subtree before
 * the right one; the last node is the root.
 */
export interface PrefixForest {
  /** -1: a leaf, that is an observed block. */
  left: Int32Array;
  right: Int32Array;
  /**
   * Units (addresses, or /64 networks) in the prefix that were not observed. Infinite where it must not be
   * used.
   */
  gap: Float64Array;
  /** Which set of blocks, which of its blocks is the first inside, and the length of the common prefix. */
  set: Int32Array;
  first: Int32Array;
  length: Uint8Array;
}

/** A set of blocks and the shortest prefix that each of them may end up in. */
export interface FlooredBlocks {
  blocks: Blocks;
  floors: Uint8Array;
}

/** Builds the forest in time linear in the number of blocks. Every set must hold a block. */
export function growForest(sets: readonly FlooredBlocks[]): PrefixForest {
  const leaves = sets.reduce((sum, { floors }) => sum + floors.length, 0);
  const grower = new Grower(Math.max(0, 2 * leaves - 1));
  for (const [index, set] of sets.entries()) {
    grower.addTree(index, set);
    if (index > 0) grower.join();
  }
  return grower.forest;
}

/** Shift and reduce: what is done stands on a stack, with the observed units of each subtree. */
class Grower {
  readonly forest: PrefixForest;
  readonly #weight: Float64Array;
  readonly #stack: number[] = [];
  #nodes = 0;

  constructor(nodes: number) {
    this.forest = {
      left: new Int32Array(nodes).fill(-1),
      right: new Int32Array(nodes).fill(-1),
      gap: new Float64Array(nodes),
      set: new Int32Array(nodes),
      first: new Int32Array(nodes),
      length: new Uint8Array(nodes),
    };
    this.#weight = new Float64Array(nodes);
  }

  addTree(set: number, { blocks, floors }: FlooredBlocks): void {
    const { length, unit } = blocks;
    // The lengths at which neighbours on the stack part, each longer than the one below it.
    const partings: number[] = [];
    for (let index = 0; index < length.length; index++) {
      if (index > 0) {
        const common = commonLength(blocks, index - 1, blocks, index);
        while (partings.length > 0 && partings.at(-1)! > common) this.#merge(partings.pop()!, unit, floors);
        partings.push(common);
      }
      this.#leaf(set, index, length[index]!, unit);
    }
    while (partings.length > 0) this.#merge(partings.pop()!, unit, floors);
  }

  /** Makes the two topmost trees subtrees of one node, which is no prefix. */
  join(): void {
    const node = this.#parent();
    this.forest.gap[node] = Infinity;
  }

  #leaf(set: number, index: number, length: number, unit: number): void {
    const node = this.#nodes++;
    this.forest.set[node] = set;
    this.forest.first[node] = index;
    this.forest.length[node] = length;
    this.#weight[node] = unitsIn(length, unit);
    this.#stack.push(node);
  }

  #merge(length: number, unit: number, floors: Uint8Array): void {
    const node = this.#parent();
    const { first, gap, left } = this.forest;
    const units = unitsIn(length, unit);
    // Blocks inside one unit are one unit.
    const weight = Math.min(units, this.#weight[node]!);
    this.#weight[node] = weight;
    this.forest.length[node] = length;
    first[node] = first[left[node]!]!;
    gap[node] = length < floors[first[node]!]! ? Infinity : units - weight;
  }

  #parent(): number {
    const node = this.#nodes++;
    const right = this.#stack.pop()!;
    const left = this.#stack.pop()!;
    this.forest.left[node] = left;
    this.forest.right[node] = right;
    this.forest.set[node] = this.forest.set[left]!;
    this.#weight[node] = this.#weight[left]! + this.#weight[right]!;
    this.#stack.push(node);
    return node;
  }
}

function unitsIn(length: number, unit: number): number {
  return 2 ** (unit - Math.min(length, unit));
}
