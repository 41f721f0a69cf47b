import type { Address } from '../value/address.ts';
import { containsAddress } from '../value/cidr.ts';
import { cutCommand, matchesCommand, matchesGlob } from '../value/name.ts';
import type { Box, Flow, From, Policy, To, Verdict } from './policy.ts';
import { hasPorts } from '../value/protocol.ts';

/**
 * The reference semantics: what replay, drift and the kernel must agree with. The verdict is the same in both modes;
 * in monitor mode it is what would happen. A connection is allowed when some allow box and no deny box matches.
 */
export function evaluate(policy: Policy, flow: Flow): Verdict {
  if (!isJudged(policy, flow)) return { action: 'allow' };
  const normal = normalizeFlow(flow);
  const box = policy.boxes.findIndex((candidate) => matchesBox(candidate, normal));
  return box < 0 ? { action: 'deny' } : { action: policy.boxes[box]!.action, box };
}

/** With `target: container` a process outside containers is not judged: everything is allowed. */
export function isJudged(policy: Pick<Policy, 'target'>, flow: Pick<Flow, 'inContainer'>): boolean {
  return policy.target === 'host' || flow.inContainer;
}

/** The flow as boxes see it: the command cut to what the kernel keeps, 0.0.0.0 and :: as this host's loopback. */
export function normalizeFlow(flow: Flow): Flow {
  return { ...flow, command: cutCommand(flow.command), address: destinationOf(flow.address) };
}

/** Where the kernel sends a packet for this address: 0.0.0.0 and :: mean 127.0.0.1 and ::1. */
export function destinationOf(address: Address): Address {
  if (address.value !== 0n) return address;
  return { family: address.family, value: address.family === 4 ? 0x7f000001n : 1n };
}

/** Whether every dimension that the box names matches the (normal) flow. */
export function matchesBox(box: Box, flow: Flow): boolean {
  return matchesTo(box.to, flow) && matchesFrom(box, flow);
}

/** Whether the destination, or the socket that is opened, is in `to`. */
export function matchesTo(to: To, flow: Flow): boolean {
  if (to.sockets !== undefined || flow.socket !== undefined) {
    return flow.socket !== undefined && to.sockets?.includes(flow.socket) === true;
  }
  return (
    (!to.protocols || to.protocols.includes(flow.protocol)) &&
    (!to.ports || matchesPort(to.ports, flow)) &&
    (!to.prefixes || to.prefixes.some((prefix) => containsAddress(prefix, flow.address)))
  );
}

function matchesPort(ports: NonNullable<To['ports']>, flow: Flow): boolean {
  return (
    hasPorts(flow.protocol) && ports.some((range) => flow.port >= range.first && flow.port <= range.last)
  );
}

/** Whether the (normal) flow is of one whom the box names. */
export function matchesFrom({ action, from }: Pick<Box, 'action' | 'from'>, flow: Flow): boolean {
  return (
    matchesId(action, from.uid, [flow.uid, flow.euid, flow.fsuid ?? flow.euid]) &&
    matchesGroup(action, from.gid, flow) &&
    (!from.command || from.command.some((pattern) => matchesCommand(pattern, flow.command))) &&
    !(flow.inContainer && isForHostOnly({ action, from })) &&
    matchesPath(from.exe, flow.exe) &&
    matchesPath(from.script, flow.script) &&
    matchesName(from.container, flow.container) &&
    matchesName(from.image, flow.image) &&
    matchesName(from.unit, flow.unit) &&
    matchesName(from.cgroup, flow.cgroup)
  );
}

/** An allow needs all ids, a deny fires on any: neither setuid nor dropping a right may widen what is allowed. */
function matchesId(action: Box['action'], ids: From['uid'], has: readonly number[]): boolean {
  if (!ids) return true;
  return action === 'allow' ? has.every((id) => ids.includes(id)) : has.some((id) => ids.includes(id));
}

/** Of a process with more supplementary groups than this they are not known, and it may be in any. */
export const MOST_GROUPS = 64;

/** As ids. Supplementary groups only count for a deny: being in one more group may not widen what is allowed. */
function matchesGroup(action: Box['action'], ids: From['gid'], flow: Flow): boolean {
  const { egid, fsgid = egid, gid, groups = [] } = flow;
  if (matchesId(action, ids, [gid, egid, fsgid])) return true;
  return action === 'deny' && (groups.length > MOST_GROUPS || groups.some((group) => ids!.includes(group)));
}

function matchesPath(paths: readonly string[] | undefined, path: string | undefined): boolean {
  return !paths || (path !== undefined && paths.includes(path));
}

/** Whether the paths of a rule mean files of the containers that it names; otherwise they mean files of the host. */
export function meansContainerFiles({ container, image }: From): boolean {
  return (container ?? image) !== undefined;
}

/**
 * Whether a box matches no process in a container, because it names a file of the host. For a deny by `exe` that is as
 * good as text can say it: the kernel goes by the file, which may be mounted in a container too. A deny by `script`
 * goes by text everywhere.
 */
export function isForHostOnly({ action, from }: Pick<Box, 'action' | 'from'>): boolean {
  if (meansContainerFiles(from)) return false;
  return from.exe !== undefined || (from.script !== undefined && action === 'allow');
}

function matchesName(patterns: readonly string[] | undefined, name: string | undefined): boolean {
  return (
    !patterns ||
    (name !== undefined && patterns.some((pattern) => pattern === name || matchesGlob(pattern, name)))
  );
}
