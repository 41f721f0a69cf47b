import { type Clock, hostClock } from '../bpf/clock.ts';
import type { Egress } from '../bpf/egress.ts';
import { SystemError } from '../bpf/libbpf.ts';
import {
  MAX_INTERVALS,
  MAX_KEEPS,
  SideFlag,
  SubjectKey,
  SubjectKind,
  Tables,
  Tables6Low,
  VECTOR_WORDS,
} from '../bpf/wire.ts';
import { BouhekiError } from '../error/error.ts';
import { blocksSome, monitorsSome } from '../policy/meaning/mode.ts';
import type { Mode, ModeEntry, Target } from '../policy/meaning/policy.ts';
import { emptyVector, type BoxVector } from './vector/box-vector.ts';
import type { CompiledPolicy } from './compile.ts';
import { putEnds } from './end-watch.ts';
import { type ExpectedCgroup, replaceExpected } from './expected-cgroup.ts';
import type { NameTables } from './name/name-table.ts';
import type { SubjectEntry } from './subject-entry.ts';

const E2BIG = 7;
const ENOSPC = 28;

/** A cgroup with an identity of its own, and the boxes that accept it. */
export interface ListedCgroup {
  id: bigint;
  boxes: BoxVector;
  /**
   * Whether others than root can have made it: of these there may be any number, and they have room of their
   * own.
   */
  byUser?: boolean;
}

/** What keeps the names of a policy: see NameVerdicts. */
export interface NameSides {
  /** Fills a side that no verdict looks at. Throws SystemError when there is no room. */
  prepare(side: 0 | 1, tables: NameTables): void;
  /** Forgets one. */
  leave(side: 0 | 1): void;
  /** Whether packets of whoever speaks as a resolver of this host are dropped. */
  block: boolean;
}

interface InForceOptions {
  mode: Mode;
  modes?: ModeEntry[] | undefined;
  target: Target;
  record: boolean;
}

/**
 * Puts a compiled policy in force: fills the side that no hook reads, then flips. When anything fails before
 * the flip, the policy in force stays. Returns the new generation. Cgroups that users have made make nothing
 * fail: which of them found no room is in \`unlisted\`, and where one may be missing, denials by cgroup hold
 * and permissions don't. With `confirmBy` the side before stays filled: \`confirmPolicy\` empties it.
 */
export function applyPolicy(
  egress: Egress,
  policy: CompiledPolicy,
  options: InForceOptions & {
    cgroups: readonly ListedCgroup[];
    /** What root may make meanwhile. */
    expected?: readonly ExpectedCgroup[];
    names?: NameSides | undefined;
    /** When the kernel goes back to the side before unless `Egress.confirm` is called, nanoseconds since boot. */
    confirmBy?: bigint | undefined;
    /** By which rules end. Default: that of this host, now. */
    clock?: Clock | undefined;
  },
): bigint {
  const side = egress.inactiveSide;
  const before = activeSide(egress);
  const { names } = options;
  const asks = policy.names.patterns.size > 0;
  if (asks && names === undefined) throw namesNotRead();
  fillTables(egress, side, policy);
  try {
    replaceSubjects(egress, side, policy, options.cgroups);
    replaceExpected(egress, side, options.expected ?? []);
    names?.prepare(side, policy.names);
  } catch (error) {
    names?.leave(side);
    if (!isFull(error)) throw error;
    const named = policy.subjects.entries.length;
    const message = `the kernel side has no room for ${named} commands, executables and ids, ${policy.names.patterns.size} names and ${options.cgroups.length} cgroups beside those of the policy in force`;
    throw new BouhekiError('policy', message, {
      remedy:
        'name fewer of them, remove cgroups that are not used, or end bouheki and start it with this policy',
      cause: error,
    });
  }
  const flags = sideFlags(options);
  const ends = policy.ends.times.length;
  if (ends > 0) putEnds(egress, side, policy.ends, options.clock ?? hostClock());
  const generation = egress.flip(flags, policy.denyBoxes, options.confirmBy, ends);
  if (names) {
    names.block = asks && (flags & SideFlag.block) !== 0;
    if (options.confirmBy === undefined) names.leave(before);
  }
  return generation;
}

function sideFlags(options: InForceOptions): number {
  let flags: number = SideFlag.policy;
  const blocks = blocksSome(options);
  if (blocks) flags |= SideFlag.block;
  if (blocks && monitorsSome(options)) flags |= SideFlag.monitors;
  if (options.target === 'container') flags |= SideFlag.containers;
  if (options.record) flags |= SideFlag.record;
  return flags;
}

/** Keeps the policy in force that waits for its confirmation, and forgets the names of the one before. */
export function confirmPolicy(egress: Egress, names: NameSides | undefined): void {
  egress.confirm();
  names?.leave(egress.inactiveSide);
}

/** No room: of a hash, or of a map of prefixes. */
function isFull(error: unknown): error is SystemError {
  return error instanceof SystemError && (error.errno === E2BIG || error.errno === ENOSPC);
}

function namesNotRead(): BouhekiError {
  const message = 'the policy allows by DNS name, and no answers of resolvers are read';
  return new BouhekiError('policy', message, { remedy: 'allow addresses instead of names' });
}

/**
 * Puts `after` in the place of `before`, entries of the side in force. What is in both holds all the time.
 */
export function replaceSubjectEntries(
  egress: Egress,
  before: readonly SubjectEntry[],
  after: readonly SubjectEntry[],
): void {
  const side = activeSide(egress);
  const entryKey = ({ kind, length, a, b }: SubjectEntry) => subjectKey(side, kind, length, a, b);
  const kept = new Set(after.map((entry) => entryKey(entry).toString('hex')));
  for (const entry of after) egress.subjects.set(entryKey(entry), bytesOf(entry.boxes));
  for (const entry of before) {
    const key = entryKey(entry);
    if (!kept.has(key.toString('hex'))) egress.subjects.delete(key);
  }
  egress.renewSubjects();
}

/**
 * Tells the side in force about a cgroup that was made, or whose container got its name, since the flip.
 * Returns whether there was room for it.
 */
export function listCgroup(egress: Egress, cgroup: ListedCgroup): boolean {
  if (!putCgroup(egress, activeSide(egress), cgroup)) return false;
  egress.renewSubjects();
  return true;
}

/** Whether a cgroup has an entry on the side in force, and whether that says just these boxes. */
export function listedAs(egress: Egress, id: bigint, boxes: BoxVector): 'same' | 'other' | 'not' {
  const key = cgroupKey(activeSide(egress), id);
  const listed = egress.userCgroups.get(key) ?? egress.subjects.get(key);
  if (listed === undefined) return 'not';
  return Buffer.compare(listed, bytesOf(boxes)) === 0 ? 'same' : 'other';
}

/**
 * Says whether cgroups that users have made found no room, and what is not listed among theirs may be any of
 * them.
 */
export function markUnlisted(egress: Egress, missing: boolean): void {
  egress.setUnlisted(activeSide(egress), missing);
  egress.renewSubjects();
}

/** Forgets a cgroup that is gone: its number may come again. */
export function unlistCgroup(egress: Egress, id: bigint): void {
  for (const side of [0, 1]) {
    egress.subjects.delete(cgroupKey(side, id));
    egress.userCgroups.delete(cgroupKey(side, id));
  }
}

/** The side that verdicts look at. */
export function activeSide(egress: Egress): 0 | 1 {
  return egress.inactiveSide === 0 ? 1 : 0;
}

/** Returns whether there was room. */
function putCgroup(egress: Egress, side: 0 | 1, { boxes, byUser = false, id }: ListedCgroup): boolean {
  const key = cgroupKey(side, id);
  const [map, other] = byUser ? [egress.userCgroups, egress.subjects] : [egress.subjects, egress.userCgroups];
  try {
    map.set(key, bytesOf(boxes));
  } catch (error) {
    if (!(error instanceof SystemError) || error.errno !== E2BIG) throw error;
    return false;
  }
  // Its parent may have changed its owner since.
  other.delete(key);
  return true;
}

function fillTables(egress: Egress, side: 0 | 1, policy: CompiledPolicy): void {
  const { tables, tables6, tables6Low } = egress.tables(side);
  const { offset } = Tables;
  const { buffer, byteOffset } = tables;
  putVectors(tables, offset.any, policy.subjects.any);
  putVectors(tables, offset.deny, [policy.deny]);
  putVectors(tables, offset.inside, [policy.subjects.inside]);
  putVectors(tables, offset.backstop, [policy.backstop]);
  putVectors(tables, offset.modes, [policy.modes]);
  putVectors(tables, offset.lasting, policy.ends.lasting);
  putVectors(tables, offset.intent, [policy.intent]);
  putVectors(tables, offset.socket, policy.sockets);
  fillNames(tables, policy.names);
  putVectors(tables, offset.address, policy.addresses);
  putVectors(tables, offset.port, policy.ports);
  tables.setUint32(offset.command_prefixes, policy.subjects.commandPrefixes, true);
  tables.setUint32(offset.source_routes, Math.min(policy.sourceRoutes, FOREVER), true);
  const { starts, classes } = policy.intervals4;
  new Uint32Array(buffer, byteOffset + offset.start4, MAX_INTERVALS).set(starts);
  new Uint16Array(buffer, byteOffset + offset.class4, MAX_INTERVALS).set(classes);
  const root = new Uint32Array(buffer, byteOffset + offset.root4, 65_537);
  let interval = 0;
  for (let half = 0; half < 65_536; half += 1) {
    while (interval + 1 < starts.length && starts[interval + 1]! <= half * 65_536) interval += 1;
    root[half] = interval;
  }
  root[65_536] = starts.length - 1;
  new Uint16Array(buffer, byteOffset + offset.port_class, policy.portClass.length).set(policy.portClass);
  new Uint16Array(buffer, byteOffset + offset.protocol_class, 256).set(policy.protocolClass);
  const six = policy.intervals6;
  const high = new BigUint64Array(tables6.buffer, tables6.byteOffset, MAX_INTERVALS);
  const low = new BigUint64Array(tables6Low.buffer, tables6Low.byteOffset, MAX_INTERVALS);
  for (const [index, start] of six.starts.entries()) {
    high[index] = start >> 64n;
    low[index] = BigInt.asUintN(64, start);
  }
  const class6 = tables6Low.byteOffset + Tables6Low.offset.class6;
  new Uint16Array(tables6Low.buffer, class6, MAX_INTERVALS).set(six.classes);
  tables.setUint32(offset.last_interval6, six.starts.length - 1, true);
}

/** All ones: a time without end, and each place behind the last time. */
const FOREVER = 0xffff_ffff;

function fillNames(tables: DataView, { classes, keeps, kept, nameless }: NameTables): void {
  const { offset } = Tables;
  putVectors(tables, offset.nameless, [nameless]);
  const none = emptyVector();
  putVectors(
    tables,
    offset.kept,
    Array.from({ length: MAX_KEEPS + 1 }, (_, passed) => kept[passed] ?? none),
  );
  for (let at = 0; at < MAX_KEEPS; at += 1)
    tables.setUint32(offset.keep + 4 * at, Math.min(keeps[at] ?? FOREVER, FOREVER), true);
  putVectors(tables, offset.name, classes);
}

function putVectors(tables: DataView, offset: number, vectors: readonly BoxVector[]): void {
  const halves = VECTOR_WORDS * 2;
  const target = new Uint32Array(tables.buffer, tables.byteOffset + offset, vectors.length * halves);
  for (const [index, vector] of vectors.entries()) target.set(vector, index * halves);
}

function replaceSubjects(
  egress: Egress,
  side: 0 | 1,
  policy: CompiledPolicy,
  cgroups: readonly ListedCgroup[],
): void {
  for (const map of [egress.subjects, egress.userCgroups]) {
    for (const key of map.keys()) if (key.readUInt32LE(SubjectKey.offset.side) === side) map.delete(key);
  }
  for (const { kind, length, a, b, boxes } of policy.subjects.entries) {
    egress.subjects.set(subjectKey(side, kind, length, a, b), bytesOf(boxes));
  }
  let missing = false;
  for (const cgroup of cgroups) {
    if (putCgroup(egress, side, cgroup)) continue;
    if (cgroup.byUser !== true) throw new SystemError('update of subjects', E2BIG);
    missing = true;
  }
  egress.setUnlisted(side, missing);
}

function cgroupKey(side: number, id: bigint): Buffer {
  return subjectKey(side, SubjectKind.cgroup, 0, id, 0n);
}

function subjectKey(side: number, kind: number, length: number, a: bigint, b: bigint): Buffer {
  const key = Buffer.alloc(SubjectKey.size);
  key.writeUInt32LE(side, SubjectKey.offset.side);
  key.writeUInt16LE(kind, SubjectKey.offset.kind);
  key.writeUInt16LE(length, SubjectKey.offset.length);
  key.writeBigUInt64LE(a, SubjectKey.offset.a);
  key.writeBigUInt64LE(b, SubjectKey.offset.b);
  return key;
}

function bytesOf(vector: BoxVector): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}
