import { VECTOR_WORDS } from '../../bpf/wire.ts';

/** Half words: JavaScript's bit operations work on 32 bits. */
const VECTOR_HALVES = VECTOR_WORDS * 2;

/** A set of boxes in the kernel's layout: bit i % 32 of element i / 32 is box i. */
export type BoxVector = Uint32Array<ArrayBuffer>;

export function emptyVector(): BoxVector {
  return new Uint32Array(VECTOR_HALVES);
}

export function addBox(vector: BoxVector, box: number): void {
  vector[box >> 5]! |= 1 << (box & 31);
}

/** The boxes for which `accepts` holds. */
export function boxesWhere<Box>(boxes: readonly Box[], accepts: (box: Box) => boolean): BoxVector {
  const vector = emptyVector();
  for (const [index, box] of boxes.entries()) if (accepts(box)) addBox(vector, index);
  return vector;
}

export function sizeOf(vector: BoxVector): number {
  let size = 0;
  for (const half of vector) for (let rest = half; rest !== 0; rest &= rest - 1) size += 1;
  return size;
}

/** Whether some box is in both. */
export function intersect(a: BoxVector, b: BoxVector): boolean {
  return a.some((half, at) => (half & b[at]!) !== 0);
}

/** Numbers distinct vectors from 0 in the order in which they are first asked for. */
export class VectorClasses {
  readonly vectors: BoxVector[] = [];
  readonly #byHash = new Map<number, number[]>();

  /** `vector` may be changed afterwards. */
  classOf(vector: BoxVector): number {
    let hash = 0;
    for (let half = 0; half < VECTOR_HALVES; half += 1) {
      hash = Math.imul(hash ^ vector[half]!, 0x9e37_79b1);
      hash ^= hash >>> 15;
    }
    const candidates = this.#byHash.get(hash);
    for (const candidate of candidates ?? []) {
      if (equal(this.vectors[candidate]!, vector)) return candidate;
    }
    const added = this.vectors.push(vector.slice()) - 1;
    if (candidates) candidates.push(added);
    else this.#byHash.set(hash, [added]);
    return added;
  }
}

function equal(a: BoxVector, b: BoxVector): boolean {
  for (let half = 0; half < VECTOR_HALVES; half += 1) if (a[half] !== b[half]) return false;
  return true;
}
