import { ACCOUNT_DIMENSIONS, FROM, type IdKind } from './dimension.ts';
import type { Box } from './policy.ts';

/** The users and groups that boxes name, each once. */
export function namedAccounts(boxes: readonly Box[]): { kind: IdKind; name: string }[] {
  return ACCOUNT_DIMENSIONS.flatMap((dimension) => {
    const names = new Set(boxes.flatMap(({ from }) => from[dimension] ?? []));
    return [...names].map((name) => ({ kind: FROM[dimension].of, name }));
  });
}
