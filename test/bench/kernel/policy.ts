import type { Box, Policy } from '../../../policy/meaning/policy.ts';
import type { Prefix } from '../../../policy/value/cidr.ts';

/** A linear congruential generator (Numerical Recipes), so that every run measures the same policy. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
}

/**
 * A policy of `boxes` boxes with `prefixes` prefixes of each family between them, all over the address space; the last
 * box allows loopback, where the bench connects. Half of the boxes name a uid, half of them ports.
 */
export function benchPolicy(size: { boxes: number; prefixes: number }): Policy {
  const next = random(1);
  const boxes: Box[] = Array.from({ length: size.boxes }, (_, index) => ({
    action: 'allow',
    name: `rule ${index}`,
    from: index % 2 ? { uid: [index] } : {},
    to: {
      prefixes: [],
      ...(index % 4 > 1 && { ports: [{ first: index, last: index + 100 }], protocols: [6, 17] }),
    },
  }));
  for (let count = 1; count < size.prefixes; count += 1) {
    const { prefixes } = boxes[count % Math.max(1, size.boxes - 1)]!.to;
    // 224.0.0.0 and above as well: what matters is where the searches go.
    const length = 24 + (next() % 9);
    prefixes!.push(block(4, BigInt(next()), length));
    prefixes!.push(
      block(6, (0x2001n << 112n) | (BigInt(next()) << 80n) | (BigInt(next()) << 48n), 48 + (next() % 80)),
    );
  }
  const last = boxes[size.boxes - 1]!;
  last.from = {};
  last.to = { prefixes: [block(4, 0x7f00_0000n, 8), block(6, 1n, 128)] };
  return {
    version: 2,
    mode: 'block',
    target: 'host',
    boxes,
    log: { format: 'json', level: 'info', labels: {} },
  };
}

function block(family: 4 | 6, value: bigint, length: number): Prefix {
  const host = BigInt((family === 4 ? 32 : 128) - length);
  return { family, value: (value >> host) << host, length };
}
