import { createHash } from 'node:crypto';
import type { ReleaseRow } from '../engine/engine.ts';
import type { Stage } from './plan.ts';
import { type HostView, isPlaced, type View } from './view.ts';

/** How many hosts a stage has in all, with those of the stages before. */
export function stageSize({ hosts, most }: Pick<Stage, 'hosts' | 'most'>, active: number): number {
  return Math.min(Math.max(1, Math.ceil(hosts * active)), most ?? active, active);
}

/** Stable within a release, and another order in the next: not always the same hosts go first. */
function orderKey({ workload, revision }: ReleaseRow, { host }: HostView): string {
  return createHash('sha256').update(`${workload}\n${revision}\n${host.id}`).digest('hex');
}

/**
 * The active hosts in the order in which stages take them: those that are placed, by their stage; then those that can
 * answer; then those away or with a clone. Within each, spread over the values of the plan's label: of each value the
 * first, then of each the second.
 */
export function inOrder(view: View): HostView[] {
  const { spread } = view.memory.plan;
  const ranked = view.active
    .map((each) => ({
      each,
      key: orderKey(view.release, each),
      turn: isPlaced(each) ? each.placement.stage : view.isOnline(each) && !each.host.clone ? 1e6 : 1e6 + 1,
    }))
    .toSorted((a, b) => a.turn - b.turn || (a.key < b.key ? -1 : 1));
  const taken = new Map<string, number>();
  return ranked
    .map((one) => {
      const value = one.each.host.labels[spread] ?? '';
      const round = taken.get(value) ?? 0;
      taken.set(value, round + 1);
      return Object.assign(one, { round });
    })
    .toSorted((a, b) => a.turn - b.turn || a.round - b.round || (a.key < b.key ? -1 : 1))
    .map(({ each }) => each);
}
