import { formatCount } from '../../format/number.ts';
import type { PlacementRow, ReleaseRow } from '../engine/engine.ts';
import { isLeftOut } from '../wire/feature.ts';
import { inOrder, stageSize } from './choose.ts';
import { isSilent, missingEvidence, openGate } from './gate.ts';
import { manifestOf, memoryOf } from './memory.ts';
import { type Clock, type HostView, isPlaced, type Placed, View } from './view.ts';
import { heldBefore } from './wanted.ts';

type Change = Partial<Pick<ReleaseRow, 'state' | 'stage' | 'stageSince' | 'reason' | 'plan'>>;

/** What a leader writes. Nothing of both: all stays as it is. */
export interface Step {
  change: Change;
  placements: PlacementRow[];
  /** Why the stage does not pass yet; empty where it has changed. For people. */
  waitsFor: string;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const waiting = (waitsFor: string): Step => ({ change: {}, placements: [], waitsFor });
const changed = (change: Change, placements: PlacementRow[] = []): Step => {
  return { change, placements, waitsFor: '' };
};

/**
 * The next thing to do for a release, of what is stored alone: any hub can go on where another has stopped, and doing it
 * twice changes nothing. `hosts` are those of the workload now. A stage never passes on data that is missing.
 */
export function step(release: ReleaseRow, hosts: readonly HostView[], clock: Clock): Step {
  const view = new View(release, memoryOf(release), hosts, clock);
  switch (release.state) {
    case 'running':
      return gated(view) ?? (view.memory.entered < 0 ? enter(view, 0) : run(view));
    case 'paused':
      return gated(view) ?? waiting(release.reason);
    case 'halted':
      return goBack(view);
    case 'rolling-back':
      return endRollback(view);
    case 'done':
      return placeLate(view);
    case 'rolled-back':
    case 'superseded':
      return waiting('');
  }
}

function gated(view: View): Step | undefined {
  const gate = openGate(view);
  if (gate === undefined) return undefined;
  const silent = view.members.filter((each) => isSilent(view, each) && each.placement.state !== 'silent');
  return changed(
    { state: 'halted', reason: gate },
    silent.map(({ placement }) => inState(placement, 'silent', placement.since)),
  );
}

function inState(placement: PlacementRow, state: PlacementRow['state'], since: number): PlacementRow {
  return { ...placement, state, since };
}

/** A host's first state under what it is to hold from now on. */
function placed(view: View, each: HostView, to: Pick<PlacementRow, 'stage' | 'side' | 'mode'>): PlacementRow {
  return {
    release: view.release.id,
    host: each.host.id,
    ...to,
    state: view.isOnline(each) ? 'waiting' : 'pending',
    error: '',
    since: view.now,
  };
}

/** What the hosts of a stage that do not hold it yet are to hold. */
function placementsOf(view: View, at: number): PlacementRow[] {
  const stage = view.memory.plan.stages[at]!;
  return inOrder(view)
    .slice(0, stageSize(stage, view.active.length))
    .flatMap((each) => {
      if (!isPlaced(each)) return [placed(view, each, { stage: at, side: 'new', mode: stage.mode })];
      if (each.placement.mode === 'block' || stage.mode === 'monitor') return [];
      return [placed(view, each, { stage: each.placement.stage, side: 'new', mode: 'block' })];
    });
}

/** Begins a stage, or the first after it that changes anything: in a small workload several have the same hosts. */
function enter(view: View, from: number): Step {
  const { stages } = view.memory.plan;
  if (view.active.length === 0) return noHost(view);
  if (!view.active.some((each) => view.isOnline(each))) return waiting('no host of the workload is online');
  for (let at = from; at < stages.length; at++) {
    const placements = placementsOf(view, at);
    if (placements.length === 0) continue;
    const trips = { ...view.memory.trips };
    for (const { host } of placements) {
      const count = view.hosts.find((each) => each.host.id === host)?.host.breakerTrips ?? 0;
      if (count > 0) trips[host] = count;
    }
    const plan = { ...view.memory, entered: at, trips };
    return changed({ stage: at, stageSince: momentAfter(view), plan, reason: '' }, placements);
  }
  return changed({ state: 'done', stage: stages.length - 1, stageSince: view.now, reason: '' });
}

/** Where all hosts are left out the operator is told: nothing else shows that the release waits for them. */
function noHost(view: View): Step {
  const leftOut = view.hosts.some(({ host }) => host.state === 'active');
  return leftOut
    ? saying(view, 'no host of the workload takes policies')
    : waiting('no active host is in the workload');
}

/**
 * Another moment than the one before, also within a millisecond or by the clock of another hub: a leader that has read the
 * release before this, and its placements after, writes nothing.
 */
function momentAfter({ now, release }: View): number {
  return Math.max(now, release.stageSince + 1);
}

/** Passes a stage when its time is over and enough of its hosts have confirmed. */
function run(view: View): Step {
  const { limits, stages } = view.memory.plan;
  const { stage: at, stageSince } = view.release;
  const stage = stages[at]!;
  if (!view.isFresh) return waiting('signs of life may be missing since the leader began');
  // Those that were chosen have left, or take no policies any more: others begin the stage.
  if (view.members.length === 0) return enter(view, at);
  const online = view.members.filter((each) => view.isOnline(each));
  if (online.length === 0) return waiting('no host that holds it is online');
  const confirmed = online.filter(({ placement }) => placement.state === 'confirmed').length;
  const tally = `${confirmed} of ${formatCount(online.length, 'online host')} confirmed`;
  const soaked = view.now >= soakedAt(stageSince, stage);
  const reached = confirmed >= limits.confirmed * online.length;
  if (soaked && reached) return unlessMissing(view) ?? enter(view, at + 1);
  if (soaked && view.now - stageSince >= limits.deadline * 1000) {
    return changed({ state: 'paused', reason: `${tally} in the soak of ${stage.name}` });
  }
  return markAway(view, soaked ? tally : `${tally}, soaking`);
}

/** Waits, and says so, while it is not known what the hosts were denied: the gates see only what has come. */
function unlessMissing(view: View): Step | undefined {
  const missing = missingEvidence(view);
  return missing === undefined ? undefined : saying(view, missing);
}

/** Waits, and writes down why. */
function saying({ release }: View, why: string): Step {
  return why === release.reason ? waiting(why) : changed({ reason: why });
}

/** When the soak of a stage is over: after its time, and after the hour of the day that it names. */
function soakedAt(since: number, { soak, through }: { soak: number; through: number | null }): number {
  const end = since + soak * 1000;
  if (through === null) return end;
  const today = Math.floor(since / DAY) * DAY + through * HOUR;
  const begin = today >= since ? today : today + DAY;
  return Math.max(end, begin + HOUR);
}

/** Says of hosts that were not offered anything yet, and are away, that they come later. */
function markAway(view: View, waitsFor: string): Step {
  const placements = view.members
    .filter((each) => each.placement.state === 'waiting' && !view.isOnline(each))
    .map(({ placement }) => inState(placement, 'pending', view.now));
  return { change: {}, placements, waitsFor };
}

/** Has every host that holds the release, or may, go back; without a policy before it, only report. */
function goBack(view: View): Step {
  const before = heldBefore(manifestOf(view.release));
  const placements = view.hosts.filter(isPlaced).flatMap((each): PlacementRow[] => {
    const { placement } = each;
    if (before) {
      if (placement.side === 'previous') return [];
      return [placed(view, each, { stage: placement.stage, side: 'previous', mode: before.mode })];
    }
    const untouched = placement.state === 'waiting' || placement.state === 'pending';
    if (untouched) return [{ ...placement, stage: -1 }];
    if (placement.mode === 'monitor') return [];
    return [placed(view, each, { stage: placement.stage, side: 'new', mode: 'monitor' })];
  });
  return changed({ state: 'rolling-back', stageSince: view.now }, placements);
}

/** Ends when each host that is online has answered, or has had the time to. The others go back when they return. */
function endRollback(view: View): Step {
  const { placed: holders, open } = holdersOf(view);
  if (holders.length > 0 && !view.isFresh)
    return waiting('signs of life may be missing since the leader began');
  if (open.length > 0) return waiting(`${formatCount(open.length, 'host')} to go back`);
  return changed({ state: 'rolled-back', stageSince: view.now });
}

function holdersOf(view: View): { placed: Placed[]; open: Placed[] } {
  const holders = view.hosts.filter(isPlaced);
  const open = holders.filter((each) => {
    const { state, since } = each.placement;
    const answered = state === 'confirmed' || state === 'refused' || state === 'fallback';
    const late = view.now - since > view.memory.plan.limits.deadline * 1000;
    return view.isOnline(each) && !isLeftOut(each.host) && !answered && !late;
  });
  return { placed: holders, open };
}

/** Hosts that came to the workload after its last stage, or were in quarantine, get what the others hold. */
function placeLate(view: View): Step {
  const { stages } = view.memory.plan;
  const mode = stages.some((each) => each.mode === 'block') ? 'block' : 'monitor';
  const late = view.hosts.filter(
    (each) => each.host.state !== 'revoked' && !isLeftOut(each.host) && !isPlaced(each),
  );
  return changed(
    {},
    late.map((each) => placed(view, each, { stage: stages.length - 1, side: 'new', mode })),
  );
}
