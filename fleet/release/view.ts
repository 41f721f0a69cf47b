import type { DenialRow } from '../engine/evidence/denial.ts';
import type { HostRow, PlacementRow, ReleaseRow } from '../engine/engine.ts';
import { isLeftOut } from '../wire/feature.ts';
import type { Memory } from './memory.ts';

/** What a leader has read of a host of the workload. */
export interface HostView {
  host: HostRow;
  /** In this release; undefined: the host came after it was published. */
  placement: PlacementRow | undefined;
  /** What it was denied; undefined: nothing. */
  denials: DenialRow | undefined;
}

/** Times are milliseconds since the epoch. */
export interface Clock {
  now: number;
  /** Since when the leader has had an answer of the engine each time: signs of life before that may be missing. */
  observedSince: number;
}

/** A release and its hosts at one moment, with the questions that gates and stages ask. */
export class View {
  readonly release: ReleaseRow;
  readonly memory: Memory;
  readonly hosts: readonly HostView[];
  readonly now: number;
  /** Whether a host that nothing was heard of is one that is silent. */
  readonly isFresh: boolean;

  constructor(release: ReleaseRow, memory: Memory, hosts: readonly HostView[], clock: Clock) {
    this.release = release;
    this.memory = memory;
    this.hosts = hosts;
    this.now = clock.now;
    this.isFresh = clock.now - clock.observedSince >= memory.plan.limits.silent * 1000;
  }

  /** Hosts that count: neither quarantined nor revoked, and not left out. */
  get active(): HostView[] {
    return this.hosts.filter(({ host }) => host.state === 'active' && !isLeftOut(host));
  }

  /** Hosts that count and hold the release, or are to. */
  get members(): Placed[] {
    return this.active.filter(isPlaced);
  }

  isOnline({ host }: HostView): boolean {
    return this.now - host.lastSeen <= this.memory.plan.limits.silent * 1000;
  }
}

export type Placed = HostView & { placement: PlacementRow };

export function isPlaced(view: HostView): view is Placed {
  return view.placement !== undefined && view.placement.stage >= 0;
}
