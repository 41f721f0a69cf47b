import { containsAddress, formatPrefix, parsePrefix, prefixOf, type Prefix } from '../policy/value/cidr.ts';
import { commentOf } from '../policy/file/comment.ts';
import type { Entry, PolicyDocument } from '../policy/file/document.ts';
import { mergePrefixes } from '../policy/value/prefix-set.ts';
import type { RecordedObservation } from '../profiler/read/read.ts';
import { AddressSet } from './destination/address-set.ts';
import { groupIds, userIds } from './subject/ids.ts';
import { OddityFinder, subjectReasons } from './subject/oddity.ts';
import type { Judge } from './hold-out.ts';
import { compareText } from './subject/order.ts';
import { destinationAddress } from './destination/destination.ts';

/** The one box that the flat keys can say, and what it costs. */
export interface FlatBox {
  keys: NonNullable<PolicyDocument['flat']>;
  /** Combinations of the observed values that it allows, and those that were observed. */
  allowed: number;
  observed: number;
}

/** What a flat policy may hold. */
export interface FlatLimits {
  denied: readonly Prefix[];
  /** The prefixes for what was observed. */
  cover(observed: Prefix[]): Prefix[];
}

/**
 * The smallest flat policy for these observations: on each key the values that were seen. Every named subject
 * may go everywhere named, on every port and protocol; `allowed` counts that over the observed commands,
 * uids, gids, addresses and (protocol, port) pairs. Every observation must have a command.
 */
export function flatBox(observations: readonly RecordedObservation[], limits: FlatLimits): FlatBox {
  const commands = new Set<string>();
  const uids = new Set<number>();
  const gids = new Set<number>();
  const addresses = new Map<string, Prefix>();
  const services = new Set<string>();
  const seen = new Set<string>();
  for (const observation of observations) {
    const { command } = observation.subject;
    const [uid, gid] = [userIds(observation.subject), groupIds(observation.subject)];
    const prefix = prefixOf(destinationAddress(observation));
    const destination = formatPrefix(prefix);
    const service = `${observation.protocol}:${observation.port}`;
    commands.add(command);
    for (const id of uid) uids.add(id);
    for (const id of gid) gids.add(id);
    addresses.set(destination, prefix);
    services.add(service);
    seen.add(JSON.stringify([command, uid, gid, destination, service]));
  }
  const prefixes = limits.cover(mergePrefixes([...addresses.values()]));
  const keys: FlatBox['keys'] = {
    cidr: { allow: prefixes.map(formatPrefix) },
    command: { allow: [...commands].sort(compareText) },
    uid: { allow: [...uids].sort((a, b) => a - b) },
    gid: { allow: [...gids].sort((a, b) => a - b) },
  };
  if (limits.denied.length > 0) keys.cidr!.deny = mergePrefixes(limits.denied).map(formatPrefix);
  return {
    keys,
    allowed: commands.size * uids.size * gids.size * addresses.size * services.size,
    observed: seen.size,
  };
}

/**
 * The same keys with a mark behind each address and command that a person should look at, and how many there
 * are. One list for all leaves no room for what was seen with what.
 */
export function markFlat(
  keys: FlatBox['keys'],
  observations: readonly RecordedObservation[],
): { keys: FlatBox['keys']; reviews: number } {
  const oddities = new OddityFinder(observations);
  const prefixes = (keys.cidr?.allow ?? []).map((entry) => parsePrefix(String(entry))!);
  const exact = new Map(prefixes.map((prefix) => [formatPrefix(prefix), prefix]));
  const holders = new Map(prefixes.map((prefix) => [prefix, new Set<string>()]));
  const commands = new Map<unknown, Set<string>>(
    (keys.command?.allow ?? []).map((name) => [name, new Set()]),
  );
  for (const observation of observations) {
    const ofSubject = subjectReasons(observation.subject);
    for (const reason of ofSubject) commands.get(observation.subject.command)?.add(reason);
    const reasons = oddities.reasons(observation).filter((reason) => !ofSubject.includes(reason));
    if (reasons.length === 0) continue;
    const address = destinationAddress(observation);
    const holder =
      exact.get(formatPrefix(prefixOf(address))) ??
      prefixes.find((prefix) => containsAddress(prefix, address));
    for (const reason of reasons) if (holder !== undefined) holders.get(holder)!.add(reason);
  }
  const cidr = {
    ...keys.cidr,
    allow: [...holders].map(([prefix, each]) => marked(formatPrefix(prefix), each)),
  };
  const command = { allow: [...commands].map(([name, each]) => marked(String(name), each)) };
  const reviews = [...holders.values(), ...commands.values()].filter(({ size }) => size > 0).length;
  return { keys: { ...keys, cidr, command }, reviews };
}

function marked(value: string, reasons: ReadonlySet<string>): Entry {
  return reasons.size === 0 ? value : { value, comment: commentOf([`review: ${[...reasons].join('; ')}`]) };
}

/** The judgement of the flat policy for these observations. */
export function judgeByFlatBox(observations: readonly RecordedObservation[], limits: FlatLimits): Judge {
  const { keys } = flatBox(observations, limits);
  const allowed = (key: 'command' | 'uid' | 'gid') => new Set<unknown>(keys[key]!.allow);
  const [commands, uids, gids] = [allowed('command'), allowed('uid'), allowed('gid')];
  const addresses = new AddressSet(
    limits.cover(mergePrefixes(observations.map((each) => prefixOf(destinationAddress(each))))),
  );
  return (observation) => {
    const { subject } = observation;
    return (
      commands.has(subject.command) &&
      userIds(subject).every((id) => uids.has(id)) &&
      groupIds(subject).every((id) => gids.has(id)) &&
      addresses.has(destinationAddress(observation))
    );
  };
}
