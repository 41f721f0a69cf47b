import type { FileObject } from '../../../bpf/executable.ts';
import { scriptSum } from '../../../bpf/interpreter.ts';
import { MAX_ENDS, MAX_GROUPS, MAX_KEEPS, Tables, Tables6Low } from '../../../bpf/wire.ts';
import type { KnownName } from '../../../policy/meaning/policy.ts';
import type { KernelTables } from './kernel-tables.ts';

/** As in bpf/program/subject/cgroup.bpf.h. */
const CGROUP_DEPTH = 12;

/** The number of the host's mount namespace, which is no container's. */
const HOST_MOUNTS = 0xf000_0000;

/** What the hooks know of a caller. */
export interface Caller {
  /** Nanoseconds since boot. */
  now?: bigint;
  /** 16 bytes: at most 15 of the name, then NULs. */
  comm: Buffer;
  uid: number;
  euid: number;
  gid: number;
  egid: number;
  fsuid?: number;
  fsgid?: number;
  groups?: readonly number[];
  /** Absent: not seen at exec. `nameless`: of a file without a name. */
  executable?: FileObject & { nameless?: boolean };
  /** Where it was executed; absent: where the host has its mounts. */
  mountNamespace?: number;
  /** Its mounts or its root directory are of a user that has no power over the host's. */
  foreignUsers?: boolean;
  /** Its file or its root directory are not of the mount namespace as its maker meant it. */
  foreignRoot?: boolean;
  inContainer?: boolean;
  /** Absolute path of the script that the executable interprets. */
  script?: string;
  /** Ids from the caller's cgroup to the root. */
  cgroups: readonly bigint[];
}

export interface Destination {
  family: 4 | 6;
  address: bigint;
  port: number;
  protocol: number;
  /** A connect() that sends nothing. */
  intent?: boolean;
  /** By which names the address is known, and the seconds since the end of each TTL. */
  names?: readonly KnownName[];
}

/** The index of the box that decides over the opening of a socket of this SocketKind: decide_socket(). */
export function decideSocket(kernel: KernelTables, caller: Caller, kind: number): number | undefined {
  return lowestBox(workOutSubject(kernel, caller), kernel.vector(Tables.offset.socket, kind));
}

/** The index of the deciding box, or undefined: decide() of bpf/program/decide.bpf.h, step by step. */
export function decide(kernel: KernelTables, caller: Caller, to: Destination): number | undefined {
  const { offset } = Tables;
  const addressClass = to.family === 4 ? class4(kernel, Number(to.address)) : class6(kernel, to.address);
  const address = kernel.vector(offset.address, addressClass);
  const port = to.intent
    ? kernel.vector(offset.intent, 0)
    : kernel.vector(offset.port, portClass(kernel, to));
  const subject = workOutSubject(kernel, caller);
  const box = lowestBox(subject, address, port);
  const nameless = kernel.vector(offset.nameless, 0);
  if (box === undefined || (nameless[box >> 5]! >>> (box & 31)) & 1) return box;
  const opened = nameless.map((boxes, half) =>
    nameClasses(kernel, to.names ?? []).reduce(
      (sum, { found, passed }) =>
        sum | (kernel.vector(offset.name, found)[half]! & kernel.vector(offset.kept, passed)[half]!),
      boxes,
    ),
  );
  return lowestBox(subject, address, port, opened);
}

/** Whether what the caller is denied goes through: keep_mode(). */
export function isMonitored(kernel: KernelTables, caller: Caller): boolean {
  const box = lowestBox(workOutSubject(kernel, caller), kernel.vector(Tables.offset.modes, 0));
  if (box === undefined) return false;
  return ((kernel.vector(Tables.offset.deny, 0)[box >> 5]! >>> (box & 31)) & 1) === 0;
}

/** name_classes(), where the answers were read as learn.bpf.h does it: of one class the end that is latest counts. */
function nameClasses(kernel: KernelTables, names: readonly KnownName[]): { found: number; passed: number }[] {
  const ages = new Map<number, number>();
  for (const { age, name } of names) {
    const found = kernel.nameClass(name);
    if (found !== 0) ages.set(found, Math.min(age, ages.get(found) ?? Infinity));
  }
  const { tables } = kernel.tables(kernel.side);
  const keeps = Array.from({ length: MAX_KEEPS }, (_, at) =>
    tables.getUint32(Tables.offset.keep + 4 * at, true),
  );
  return [...ages].map(([found, age]) => ({ found, passed: keeps.filter((keep) => keep < age).length }));
}

function lowestBox(...vectors: Uint32Array[]): number | undefined {
  for (let half = 0; half < 16; half += 1) {
    const boxes = vectors.reduce((common, vector) => common & vector[half]!, 0xffff_ffff);
    if (boxes !== 0) return half * 32 + (31 - Math.clz32(boxes & -boxes));
  }
  return undefined;
}

/** address_class4() */
function class4(kernel: KernelTables, address: number): number {
  const { tables } = kernel.tables(kernel.side);
  const { root4, start4, class4 } = Tables.offset;
  const half = address >>> 16;
  let low = tables.getUint32(root4 + 4 * half, true);
  let high = tables.getUint32(root4 + 4 * (half + 1), true);
  for (let step = 0; step < 18 && low < high; step += 1) {
    const middle = (low + high + 1) >>> 1;
    if (tables.getUint32(start4 + 4 * middle, true) <= address) low = middle;
    else high = middle - 1;
  }
  return tables.getUint16(class4 + 2 * low, true);
}

/** address_class6() */
function class6(kernel: KernelTables, address: bigint): number {
  const { tables, tables6, tables6Low } = kernel.tables(kernel.side);
  const start = (index: number) =>
    (tables6.getBigUint64(8 * index, true) << 64n) | tables6Low.getBigUint64(8 * index, true);
  let low = 0;
  let high = tables.getUint32(Tables.offset.last_interval6, true);
  for (let step = 0; step < 18 && low < high; step += 1) {
    const middle = (low + high + 1) >>> 1;
    if (start(middle) <= address) low = middle;
    else high = middle - 1;
  }
  return tables6Low.getUint16(Tables6Low.offset.class6 + 2 * low, true);
}

/** port_class(): the slots of enum port_slot. */
function portClass(kernel: KernelTables, { port, protocol }: Destination): number {
  const { tables } = kernel.tables(kernel.side);
  const slot = [6, 17, 132, 136, 33].indexOf(protocol);
  if (slot >= 0) return tables.getUint16(Tables.offset.port_class + 2 * (slot * 65_536 + port), true);
  return tables.getUint16(Tables.offset.protocol_class + 2 * protocol, true);
}

/** work_out_subject() of bpf/program/subject/subject.bpf.h */
function workOutSubject(kernel: KernelTables, caller: Caller): Uint32Array {
  const boxes = new Uint32Array(16).fill(0xffff_ffff);
  const any = (kind: number) => kernel.vector(Tables.offset.any, kind);
  const deny = kernel.vector(Tables.offset.deny, 0);
  keepIds(
    boxes,
    any(0),
    deny,
    [caller.uid, caller.euid, caller.fsuid ?? caller.euid].map((id) => kernel.subject('uid', BigInt(id))),
    new Uint32Array(16),
  );
  keepIds(
    boxes,
    any(1),
    deny,
    [caller.gid, caller.egid, caller.fsgid ?? caller.egid].map((id) => kernel.subject('gid', BigInt(id))),
    collectGroups(kernel, caller.groups ?? []),
  );
  keepProgram(kernel, boxes, any, caller);
  keepCommand(kernel, boxes, any(3), caller.comm);
  // The innermost cgroup that is listed holds every box that accepts it; out of reach, every deny box counts.
  const cgroup = caller.cgroups
    .slice(0, CGROUP_DEPTH)
    .map((id) => kernel.subject('cgroup', id))
    .find((found) => found !== undefined);
  const tooDeep = caller.cgroups.length > CGROUP_DEPTH;
  const accepted = cgroup ?? any(5).map((boxes, half) => (tooDeep ? boxes | deny[half]! : boxes));
  const lasting = kernel.vector(Tables.offset.lasting, endsPassed(kernel, caller.now ?? 0n));
  for (let half = 0; half < 16; half += 1) boxes[half]! &= accepted[half]! & lasting[half]!;
  return boxes;
}

/** version_in_force() and ends_passed() */
function endsPassed(kernel: KernelTables, now: bigint): number {
  const next = kernel.nextEnd[kernel.side]!;
  if (next === 0n || now < next) return kernel.ended[kernel.side]!;
  const { tables } = kernel.tables(kernel.side);
  let passed = 0;
  for (let step = (MAX_ENDS + 1) / 2; step >= 1; step /= 2) {
    const end = tables.getBigUint64(Tables.offset.end + 8 * (passed + step - 1), true);
    if (end <= now) passed += step;
  }
  return passed;
}

/** keep_program() */
function keepProgram(
  kernel: KernelTables,
  boxes: Uint32Array,
  any: (kind: number) => Uint32Array,
  { executable, foreignRoot, foreignUsers, inContainer, mountNamespace = HOST_MOUNTS, script }: Caller,
): void {
  const deny = kernel.vector(Tables.offset.deny, 0);
  const inside = kernel.vector(Tables.offset.inside, 0);
  const everything = new Uint32Array(16).fill(0xffff_ffff);
  const mask = executable?.nameless ? deny : inContainer || foreignUsers ? inside : everything;
  const keep = (kind: number, named: Uint32Array | undefined) => {
    for (let half = 0; half < 16; half += 1)
      boxes[half]! &= any(kind)[half]! | ((named?.[half] ?? 0) & mask[half]!);
  };
  if (!executable) {
    // It may be any.
    for (const kind of [2, 7, 6]) keep(kind, deny);
    return;
  }
  // just_this_file()
  const { generation, inode, object } = executable;
  const narrow = (
    numbered: Uint32Array | undefined,
    kind: 'exeObject' | 'exeInsideObject',
    where: bigint,
  ) => {
    const named = kernel.subject(kind, object, where ^ inode ^ (BigInt(generation) << 32n));
    return numbered?.map((listed, half) => listed & (deny[half]! | (named?.[half] ?? 0)));
  };
  const device = BigInt(executable.device);
  const place = BigInt(mountNamespace) << 32n;
  keep(2, narrow(kernel.subject('exe', inode, device), 'exeObject', 0n));
  const there = narrow(kernel.subject('exeInside', inode, place | device), 'exeInsideObject', place);
  keep(7, foreignRoot ? deny : (there ?? kernel.subject('exeInside', 0n, place) ?? deny));
  keep(6, script === undefined ? undefined : kernel.subject('script', ...scriptSum(script)));
}

function keepIds(
  boxes: Uint32Array,
  any: Uint32Array,
  deny: Uint32Array,
  ids: readonly (Uint32Array | undefined)[],
  groups: Uint32Array,
): void {
  for (let half = 0; half < 16; half += 1) {
    const accepted = ids.map((boxes) => any[half]! | (boxes?.[half] ?? 0));
    const all = accepted.reduce((common, some) => common & some);
    const some = accepted.reduce((sum, one) => sum | one, groups[half]!);
    boxes[half]! &= all | (some & deny[half]!);
  }
}

/** collect_groups() */
function collectGroups(kernel: KernelTables, groups: readonly number[]): Uint32Array {
  if (groups.length > MAX_GROUPS) return new Uint32Array(16).fill(0xffff_ffff);
  const found = new Uint32Array(16);
  for (const group of groups) {
    for (const [half, boxes] of kernel.subject('gid', BigInt(group))?.entries() ?? []) found[half]! |= boxes;
  }
  return found;
}

function keepCommand(kernel: KernelTables, boxes: Uint32Array, any: Uint32Array, comm: Buffer): void {
  const accepted = any.slice();
  const join = (found: Uint32Array | undefined) => {
    for (const [half, boxes] of found?.entries() ?? []) accepted[half]! |= boxes;
  };
  join(kernel.subject('command', comm.readBigUInt64LE(0), comm.readBigUInt64LE(8)));
  const prefixes = kernel.tables(kernel.side).tables.getUint32(Tables.offset.command_prefixes, true);
  for (let length = 0; length < (prefixes > 0 ? 16 : 0); length += 1) {
    const cut = Buffer.alloc(16);
    comm.copy(cut, 0, 0, length);
    join(kernel.subject('commandPrefix', cut.readBigUInt64LE(0), cut.readBigUInt64LE(8), length));
  }
  for (let half = 0; half < 16; half += 1) boxes[half]! &= accepted[half]!;
}
