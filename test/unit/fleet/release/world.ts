import { createHash } from 'node:crypto';
import type { DenialRow } from '../../../../fleet/engine/evidence/denial.ts';
import type { HostRow, PlacementRow, ReleaseRow } from '../../../../fleet/engine/engine.ts';
import { firstMemory } from '../../../../fleet/release/memory.ts';
import type { Plan } from '../../../../fleet/release/plan.ts';
import { step, type Step } from '../../../../fleet/release/step.ts';
import type { Clock, HostView } from '../../../../fleet/release/view.ts';
import { type Held, wanted } from '../../../../fleet/release/wanted.ts';
import { type Manifest, manifestBytes, type Mode } from '../../../../fleet/wire/manifest.ts';

export const START = Date.UTC(2026, 10, 30, 8);
export const NEW = createHash('sha256').update('new').digest('hex');
export const OLD = createHash('sha256').update('old').digest('hex');

/** How a simulated host takes the new policy. */
export type Manner = 'fine' | 'refuses' | 'falls back' | 'dies' | 'mute';

/** What a leader reads at one moment. */
export interface Look extends Clock {
  release: ReleaseRow;
  views: HostView[];
}

const ANSWERS: Record<Manner, [PlacementRow['state'], string?]> = {
  fine: ['confirmed'],
  refuses: ['refused', 'line 3: no such user'],
  'falls back': ['fallback'],
  dies: ['applied'],
  mute: ['offered'],
};

interface Machine {
  row: HostRow;
  manner: Manner;
  online: boolean;
  holds: Held | undefined;
  denials: DenialRow;
}

export function hostRow(id: string, labels: Record<string, string> = {}): HostRow {
  return {
    id,
    name: `host-${id}`,
    labels,
    workload: 'web',
    state: 'active',
    clone: false,
    machineId: id,
    keyHash: id,
    publicKey: Buffer.alloc(0),
    serial: '1',
    previousSerial: undefined,
    certificateEnds: START,
    enrolled: START,
    lastSeen: START,
    agentVersion: '1',
    features: ['enforce'],
    skew: 0,
    revision: 0,
    digest: Buffer.alloc(0),
    mode: 'monitor',
    stale: false,
    fallback: false,
    lost: 0,
    unsentRows: 0,
    newDeniedKeys: 0,
    breakerTrips: 0,
  };
}

function manifestFor(plan: Plan, previous: boolean): Manifest {
  return {
    format: 1,
    workload: 'web',
    revision: 2,
    digest: NEW,
    previous: previous ? OLD : null,
    previousMode: previous ? 'block' : null,
    plan,
    features: [],
    issued: new Date(START).toISOString(),
    notAfter: new Date(START + 1e10).toISOString(),
    onStale: 'keep',
    mode: plan.stages.some(({ mode }) => mode === 'block') ? 'block' : 'monitor',
  };
}

function isOf(placement: PlacementRow | undefined): placement is PlacementRow {
  return (placement?.stage ?? -1) >= 0;
}

/** A workload of simulated hosts, a hub between them and what an engine stores, and leaders that look at it. */
export class World {
  now = START;
  observedSince = START - 1e9;
  release: ReleaseRow;
  readonly machines = new Map<string, Machine>();
  readonly placements = new Map<string, PlacementRow>();
  /** Reasons and states in the order in which they came. */
  readonly history: string[] = [];
  waitsFor = '';

  constructor(plan: Plan, hosts: number, { previous = true, zones = 1 } = {}) {
    this.release = {
      id: 1,
      workload: 'web',
      revision: 2,
      digest: Buffer.from(NEW, 'hex'),
      previous: previous ? Buffer.from(OLD, 'hex') : undefined,
      manifest: manifestBytes(manifestFor(plan, previous)),
      signatures: [],
      plan: JSON.parse(JSON.stringify(firstMemory(plan))),
      state: 'running',
      stage: 0,
      stageSince: this.now,
      reason: '',
      since: this.now,
    };
    for (let at = 0; at < hosts; at++) this.join(`h${at}`, { zone: `z${at % zones}` });
  }

  join(id: string, labels: Record<string, string> = {}): void {
    const holds: Held | undefined = this.release.previous && { digest: OLD, mode: 'block' };
    const denials = { host: id, denied: 0, regressed: 0, before: 0, full: false };
    const row = { ...hostRow(id, labels), lastSeen: this.now };
    this.machines.set(id, { row, manner: 'fine', online: true, holds, denials });
  }

  machine(id: string): Machine {
    return this.machines.get(id)!;
  }

  get all(): [string, Machine][] {
    return [...this.machines];
  }

  /** What a leader reads: a copy, as it is at this moment. */
  look(): Look {
    const views = Array.from(this.machines, ([id, { denials, row }]) => ({
      host: { ...row },
      placement: this.placements.get(id) && { ...this.placements.get(id)! },
      denials: { ...denials },
    }));
    return { release: { ...this.release }, views, now: this.now, observedSince: this.observedSince };
  }

  decide({ release, views } = this.look()): Step {
    const { digest, manifest } = this.release;
    return step({ ...release, digest, manifest }, views, {
      now: this.now,
      observedSince: this.observedSince,
    });
  }

  /** Writes where the release is as it was when it was read, as the engine does. */
  write(read: ReleaseRow, { change, placements, waitsFor }: Step): boolean {
    this.waitsFor = waitsFor;
    const { stage, stageSince, state } = this.release;
    if (read.state !== state || read.stage !== stage || read.stageSince !== stageSince) return false;
    this.release = { ...this.release, ...structuredClone(change) };
    for (const placement of placements) this.placements.set(placement.host, { ...placement });
    if (change.state !== undefined && change.state !== state) this.history.push(change.state);
    return true;
  }

  lead(): void {
    const seen = this.look();
    this.write(seen.release, this.decide(seen));
  }

  /** What hub and agents do within a few seconds. */
  deliver(): void {
    for (const [id, machine] of this.machines) {
      if (!machine.online) continue;
      machine.row.lastSeen = this.now;
      this.#offer(id, machine);
    }
  }

  #offer(id: string, machine: Machine): void {
    const placement = this.placements.get(id);
    const want = wanted(this.release, placement);
    if (!want) return;
    const isStage = isOf(placement);
    if (machine.holds?.digest === want.digest && machine.holds.mode === want.mode) {
      if (isStage) this.#settle(placement, 'confirmed');
      return;
    }
    if (placement?.state === 'refused' || placement?.state === 'fallback') return;
    const manner = want.digest === NEW ? machine.manner : 'fine';
    const [state, error] = ANSWERS[manner];
    if (manner === 'fine' || manner === 'dies') machine.holds = want;
    if (manner === 'dies') machine.online = false;
    if (isStage) this.#settle(placement, state, error);
  }

  #settle(placement: PlacementRow, state: PlacementRow['state'], error = ''): void {
    if (placement.state === state) return;
    this.placements.set(placement.host, { ...placement, state, error, since: this.now });
  }

  /** Lets time go on, with a look of the leader every so many seconds. */
  pass(seconds: number, every = 60): void {
    const until = this.now + seconds * 1000;
    while (this.now < until) {
      this.now += every * 1000;
      this.deliver();
      this.lead();
    }
  }

  /** Those that hold the new policy, by mode. */
  holding(mode: Mode): string[] {
    return this.all.filter(([, { holds }]) => holds?.digest === NEW && holds.mode === mode).map(([id]) => id);
  }
}
