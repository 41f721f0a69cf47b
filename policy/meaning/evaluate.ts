import type { Address } from '../value/address.ts';
import { containsAddress } from '../value/cidr.ts';
import { cutCommand, isFindable, isGlob, matchesCommand, matchesGlob, matchesPath } from '../value/name.ts';
import {
  ACCOUNT_DIMENSIONS,
  type DestinationDimension,
  FROM,
  ID_DIMENSIONS,
  type IdKind,
  TEXT_DIMENSIONS,
  type TextKind,
} from './dimension.ts';
import { holdsAt } from './end.ts';
import { matchesHost } from './host.ts';
import { matchesNames, reachOf } from './known-name.ts';
import { actionOf } from './mode.ts';
import type { Action, Box, Flow, From, Policy, To, Verdict } from './policy.ts';
import { hasPorts } from '../value/protocol.ts';

/**
 * The reference semantics: what replay, drift and the kernel must agree with. The verdict is the same in both
 * modes; in monitor mode it is what would happen. A connection is allowed when some allow box and no deny box
 * matches.
 */
export function evaluate(policy: Policy, flow: Flow): Verdict {
  if (!isJudged(policy, flow)) return { action: 'allow' };
  const normal = normalizeFlow(flow);
  const box = policy.boxes.findIndex((candidate) => matchesBox(candidate, normal));
  if (box >= 0 && policy.boxes[box]!.action === 'allow') return { action: 'allow', box };
  return denialOf(policy, normal, box < 0 ? undefined : box);
}

/** The denial of a (normal) flow, by a box or because none allows it. */
export function denialOf({ modes }: Policy, flow: Flow, box?: number): Verdict {
  const verdict: Verdict = box === undefined ? { action: 'deny' } : { action: 'deny', box };
  const modeEntry = modes?.findIndex((entry) =>
    matchesFrom({ action: actionOf(entry), from: entry.from }, flow),
  );
  return modeEntry === undefined || modeEntry < 0 ? verdict : { ...verdict, modeEntry };
}

/** With `target: container` a process outside containers is not judged: everything is allowed. */
export function isJudged(policy: Pick<Policy, 'target'>, flow: Pick<Flow, 'inContainer'>): boolean {
  return policy.target === 'host' || flow.inContainer;
}

/**
 * The flow as boxes see it: commands cut to what the kernel keeps, 0.0.0.0 and :: as this host's loopback.
 */
export function normalizeFlow(flow: Flow): Flow {
  const normal = { ...flow, address: destinationOf(flow.address) };
  for (const dimension of COMMANDS) {
    const command = flow[dimension];
    if (command !== undefined) normal[dimension] = cutCommand(command);
  }
  return normal;
}

const COMMANDS = TEXT_DIMENSIONS.filter((dimension) => FROM[dimension].kind === 'command');

/** Where the kernel sends a packet for this address: 0.0.0.0 and :: mean 127.0.0.1 and ::1. */
export function destinationOf(address: Address): Address {
  if (address.value !== 0n) return address;
  return { family: address.family, value: address.family === 4 ? 0x7f000001n : 1n };
}

/** Whether every dimension that the box names matches the (normal) flow, before the box ends. */
export function matchesBox(box: Box, flow: Flow): boolean {
  if (!holdsAt(box, flow.at)) return false;
  return (flow.intent ? matchesIntent(box, flow) : matchesTo(box.to, flow)) && matchesFrom(box, flow);
}

/**
 * Whether a box decides over a connect() that sends nothing, where it has the address. What is sent
 * afterwards is judged by itself, so an allow holds whatever its ports and protocols are, and a deny only
 * when it is for all of them. Name look-ups connect a UDP socket to every address, to see which can be
 * reached.
 */
export function decidesIntent({ action, to }: Pick<Box, 'action' | 'to'>): boolean {
  if (to.sockets !== undefined) return false;
  if (action === 'deny') return to.ports === undefined && to.protocols === undefined;
  return to.ports?.length !== 0 && to.protocols?.length !== 0;
}

function matchesIntent(box: Box, flow: Flow): boolean {
  return decidesIntent(box) && matchesNames(box.to, flow.names) && reaches(box.to, flow.address);
}

/** The part of a flow that `to` is about. */
export type Attempt = Pick<Flow, 'address' | 'names' | 'port' | 'protocol' | 'socket'>;

/** Whether the destination, or the socket that is opened, is in `to`. */
export function matchesTo(to: To, attempt: Attempt): boolean {
  if (to.sockets !== undefined || attempt.socket !== undefined) {
    return attempt.socket !== undefined && to.sockets?.includes(attempt.socket) === true;
  }
  for (const matches of DESTINATION_TESTS) if (!matches(to, attempt)) return false;
  return true;
}

/** Whether a destination matches one dimension, which may be absent. The cheapest test first. */
const DESTINATION_TESTS = Object.values({
  protocols: ({ protocols }, { protocol }) => !protocols || protocols.includes(protocol),
  ports: ({ ports }, attempt) => !ports || matchesPort(ports, attempt),
  names: (to, { names }) => matchesNames(to, names),
  prefixes: (to, { address }) => reaches(to, address),
} satisfies Record<DestinationDimension, (to: To, attempt: Attempt) => boolean>);

function reaches(to: To, address: Address): boolean {
  return reachOf(to)?.some((prefix) => containsAddress(prefix, address)) ?? true;
}

function matchesPort(ports: NonNullable<To['ports']>, { port, protocol }: Attempt): boolean {
  return hasPorts(protocol) && ports.some((range) => port >= range.first && port <= range.last);
}

/** Whether the (normal) flow is of a subject that the box names. */
export function matchesFrom({ action, from }: Pick<Box, 'action' | 'from'>, flow: Flow): boolean {
  if (from.host && !matchesHost(action, from.host, flow.host)) return false;
  for (const dimension of ID_DIMENSIONS) {
    const ids = from[dimension];
    if (ids && !matchesIds(action, (id) => ids.includes(id), FROM[dimension].kind, flow)) return false;
  }
  for (const dimension of ACCOUNT_DIMENSIONS) {
    const names = from[dimension];
    const { of } = FROM[dimension];
    if (names && !matchesIds(action, (id) => isCalled(names, of, id, flow), of, flow)) return false;
  }
  if (flow.inContainer && isForHostOnly({ action, from })) return false;
  for (const dimension of TEXT_DIMENSIONS) {
    const patterns = from[dimension];
    if (patterns && !matchesTexts(patterns, FROM[dimension].kind, flow[dimension])) return false;
  }
  return true;
}

/** Real, effective and file system id of a process. */
export function idsOf(kind: IdKind, flow: Flow): readonly [number, number, number] {
  switch (kind) {
    case 'user':
      return [flow.uid, flow.euid, flow.fsuid ?? flow.euid];
    case 'group':
      return [flow.gid, flow.egid, flow.fsgid ?? flow.egid];
  }
}

/** Of a process with more supplementary groups than this they are not known, and it may be in any. */
export const MOST_GROUPS = 64;

/** All ids of a process on any of which a deny fires: its supplementary groups too. */
export function everyIdOf(kind: IdKind, flow: Flow): readonly number[] {
  const ids = idsOf(kind, flow);
  return kind === 'group' && flow.groups ? [...ids, ...flow.groups] : ids;
}

/**
 * An allow needs all ids, a deny fires on any: neither setuid nor dropping a right may widen what is allowed.
 * Supplementary groups only count for a deny: being in one more group may not widen what is allowed.
 */
function matchesIds(action: Action, isListed: (id: number) => boolean, kind: IdKind, flow: Flow): boolean {
  if (action === 'allow') return idsOf(kind, flow).every(isListed);
  const inAny = kind === 'group' && (flow.groups?.length ?? 0) > MOST_GROUPS;
  return inAny || everyIdOf(kind, flow).some(isListed);
}

/** Whether a user or group has one of these names. */
function isCalled(names: readonly string[], kind: IdKind, id: number, { accounts }: Flow): boolean {
  return accounts?.namesOf(kind, id).some((name) => names.includes(name)) === true;
}

/** What the ids of a process are called, on any of which a deny fires. */
export function everyNameOf(kind: IdKind, flow: Flow): readonly string[] {
  return everyIdOf(kind, flow).flatMap((id) => flow.accounts?.namesOf(kind, id) ?? []);
}

function matchesTexts(patterns: readonly string[], kind: TextKind, text: string | undefined): boolean {
  if (text === undefined) return false;
  switch (kind) {
    case 'command':
      return patterns.some((pattern) => matchesCommand(pattern, text));
    case 'file':
      return (
        patterns.includes(text) ||
        patterns.some((pattern) => isGlob(pattern) && matchesPath(pattern, text) && isFindable(text))
      );
    case 'path':
    case 'name':
      return patterns.some((pattern) => pattern === text || matchesGlob(pattern, text));
  }
}

/**
 * Whether the paths of a rule mean files of the containers that it names; otherwise they mean files of the
 * host.
 */
export function meansContainerFiles({ container, image }: From): boolean {
  return (container ?? image) !== undefined;
}

/**
 * Whether a box matches no process in a container, because it names a file of the host. For a deny by `exe`
 * that is as good as text can say it: the kernel goes by the file, which may be mounted in a container too. A
 * deny by `script` goes by text everywhere.
 */
export function isForHostOnly({ action, from }: Pick<Box, 'action' | 'from'>): boolean {
  if (meansContainerFiles(from)) return false;
  return FILES.some(
    (dimension) => from[dimension] && (action === 'allow' || FROM[dimension].role === 'program'),
  );
}

const FILES = TEXT_DIMENSIONS.filter((dimension) => FROM[dimension].kind === 'file');
