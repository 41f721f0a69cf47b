import { formatCount } from '../../format/number.ts';
import type { HostView, Placed, View } from './view.ts';

/** Fewer denied keys above the median than this is no spike, however equal the hosts are. */
const LEAST_DEVIATION = 1;

const namesOf = (hosts: readonly HostView[]): string => {
  const shown = hosts.slice(0, 3).map(({ host }) => host.name);
  return hosts.length > 3 ? `${shown.join(', ')} and ${hosts.length - 3} more` : shown.join(', ');
};

/** Why the roll-out must not go on; undefined: no gate is open. What is not known opens no gate, and passes no stage. */
export function openGate(view: View): string | undefined {
  const { members } = view;
  return (
    refused(members) ??
    unconfirmed(view, members) ??
    spiked(view, members) ??
    tripped(view, members) ??
    undefined
  );
}

function refused(members: readonly Placed[]): string | undefined {
  const hosts = members.filter(({ placement }) => placement.state === 'refused');
  const [first] = hosts;
  if (!first) return undefined;
  return `${formatCount(hosts.length, 'host')} refused it (${namesOf(hosts)}): ${first.placement.error}`;
}

/** Rows that an agent is about to send in any hour: as many as a batch has. */
const FEW_ROWS = 1000;

/**
 * Why it is not known what the hosts were denied; undefined: it is. A host that answers may have more to send than a hub
 * takes, and one whose week is full has nothing of it taken.
 */
export function missingEvidence(view: View): string | undefined {
  const online = view.members.filter((each) => view.isOnline(each));
  const full = online.filter(({ denials }) => denials?.full === true);
  if (full.length > 0) {
    return `the evidence of ${formatCount(full.length, 'host')} is beyond what is kept of a week (${namesOf(full)})`;
  }
  const unsent = online.filter(({ host }) => host.unsentRows > FEW_ROWS);
  if (unsent.length === 0) return undefined;
  return `${formatCount(unsent.length, 'host')} has not sent all of its evidence (${namesOf(unsent)})`;
}

/** Those that went back by themselves, did not answer in time, or fell silent soon after they answered. */
function unconfirmed(view: View, members: readonly Placed[]): string | undefined {
  const { failed } = view.memory.plan.limits;
  const hosts = members.filter((each) => isFailed(view, each));
  if (hosts.length === 0 || hosts.length < failed * members.length) return undefined;
  return `${formatCount(hosts.length, 'host')} did not confirm it (${namesOf(hosts)})`;
}

function isFailed(view: View, each: Placed): boolean {
  return each.placement.state === 'fallback' || isLate(view, each) || isSilent(view, each);
}

/** Whether a host that answers has let the time to confirm pass. */
function isLate(view: View, each: Placed): boolean {
  const { state, since } = each.placement;
  const late = view.now - since > view.memory.plan.limits.deadline * 1000;
  return view.isFresh && late && (state === 'offered' || state === 'applied') && view.isOnline(each);
}

/**
 * Whether a host that had the release has fallen silent, and its policy may be why. Hubs write signs of life every 30
 * seconds: one that has just come is offered the release before its own is written, so silence begins with the answer.
 */
export function isSilent(view: View, each: Placed): boolean {
  if (!view.isFresh || view.isOnline(each)) return false;
  const { state, since } = each.placement;
  if (state === 'silent') return true;
  if (view.now - since <= view.memory.plan.limits.silent * 1000) return false;
  if (state === 'offered' || state === 'applied') return true;
  return state === 'confirmed' && each.host.lastSeen - since <= view.memory.plan.limits.silentWindow * 1000;
}

/** Whether so few hosts are many: the number that is enough, or the share of those that hold the release. */
function areMany(view: View, hosts: number, members: number): boolean {
  const { regressed, regressedHosts } = view.memory.plan.limits;
  return hosts > 0 && (hosts >= regressedHosts || hosts >= regressed * members);
}

function spiked(view: View, members: readonly Placed[]): string | undefined {
  const regressed = members.filter(({ denials }) => (denials?.regressed ?? 0) > 0);
  if (areMany(view, regressed.length, members.length)) {
    return `it denies what ${formatCount(regressed.length, 'host')} did before (${namesOf(regressed)})`;
  }
  const limit = usualDenials(view);
  const hosts = members.filter(({ denials }) => (denials?.denied ?? 0) > limit);
  if (hosts.length === 0) return undefined;
  return `it denies far more than usual on ${formatCount(hosts.length, 'host')} (${namesOf(hosts)})`;
}

/** Denied keys that a host may have: the median of those of earlier revisions, and some median absolute deviations. */
function usualDenials(view: View): number {
  const before = view.active.map(({ denials }) => denials?.before ?? 0);
  const middle = medianOf(before);
  const deviation = medianOf(before.map((count) => Math.abs(count - middle)));
  return middle + view.memory.plan.limits.deviations * Math.max(deviation, LEAST_DEVIATION);
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half]! : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2;
}

function tripped(view: View, members: readonly Placed[]): string | undefined {
  const hosts = members.filter(({ host }) => host.breakerTrips > (view.memory.trips[host.id] ?? 0));
  if (!areMany(view, hosts.length, members.length)) return undefined;
  return `the breaker opened on ${formatCount(hosts.length, 'host')} (${namesOf(hosts)})`;
}
