import type { Executable } from '../bpf/executable.ts';
import { scriptSum } from '../bpf/interpreter.ts';
import { SubjectKind, SUBJECT_KINDS } from '../bpf/wire.ts';
import { BouhekiError } from '../error/error.ts';
import { COMMAND_BYTES, matchesGlob } from '../policy/name.ts';
import type { Box } from '../policy/policy.ts';
import { boxesWhere, type BoxVector } from './box-vector.ts';

/** Finds the file that an `exe` path means on this host; undefined when there is none. */
export type ResolveExecutable = (path: string) => Executable | undefined;

/** One value of one subject dimension that some box names, and the boxes that name it. */
export interface SubjectEntry {
  kind: number;
  /** Bytes of a SubjectKind.commandPrefix. */
  length: number;
  a: bigint;
  b: bigint;
  boxes: BoxVector;
}

export interface SubjectTables {
  /** By SubjectKind: the boxes that don't name the dimension. */
  any: BoxVector[];
  entries: SubjectEntry[];
  commandPrefixes: number;
  /** `exe` paths that mean no file at present: their rules match nothing. */
  unresolved: string[];
  /** The boxes that accept a cgroup, its container and its unit. */
  cgroup(place: CgroupPlace): BoxVector;
}

/** What the daemon knows of a cgroup. */
export interface CgroupPlace {
  path: string;
  /** Absent for a container whose name is not known: it is accepted by no rule that names one. */
  container?: string;
  image?: string;
  unit?: string;
}

/** Compiles the `from` of all boxes. Throws a BouhekiError for a dimension that the kernel side can't judge. */
export function compileSubjects(boxes: readonly Box[], resolve: ResolveExecutable): SubjectTables {
  refuseUnsupported(boxes);
  const any: BoxVector[] = Array.from({ length: SUBJECT_KINDS });
  any[SubjectKind.uid] = boxesWhere(boxes, ({ from }) => from.uid === undefined);
  any[SubjectKind.gid] = boxesWhere(boxes, ({ from }) => from.gid === undefined);
  any[SubjectKind.exe] = boxesWhere(boxes, ({ from }) => from.exe === undefined);
  any[SubjectKind.command] = boxesWhere(boxes, ({ from }) => from.command === undefined);
  any[SubjectKind.commandPrefix] = any[SubjectKind.command]!;
  any[SubjectKind.script] = boxesWhere(boxes, ({ from }) => from.script === undefined);
  any[SubjectKind.cgroup] = boxesWhere(boxes, ({ from }) => !namesPlace(from));
  const entries: SubjectEntry[] = [...ids(boxes, 'uid'), ...ids(boxes, 'gid')];
  const unresolved: string[] = [];
  const executables = compileExecutables(boxes, (path) => {
    const file = resolve(path);
    if (!file) unresolved.push(path);
    return file ? [file] : [];
  });
  entries.push(...executables);
  entries.push(...scripts(boxes));
  const commands = commandEntries(boxes);
  entries.push(...commands);
  return {
    any,
    entries,
    commandPrefixes: commands.filter((entry) => entry.kind === SubjectKind.commandPrefix).length,
    unresolved,
    cgroup: (place) => boxesWhere(boxes, ({ from }) => acceptsPlace(from, place)),
  };
}

function refuseUnsupported(boxes: readonly Box[]): void {
  for (const { name, from } of boxes) {
    const program = from.exe ? 'an executable' : 'a script';
    if (
      (from.exe ?? from.script) !== undefined &&
      (from.container !== undefined || from.image !== undefined)
    ) {
      throw new BouhekiError(
        'policy',
        `rule "${name}" names both ${program} and a container; a path only means a file of the host`,
        { remedy: 'name the container and its `uid` or `command`' },
      );
    }
  }
}

function namesPlace(from: Box['from']): boolean {
  return (from.container ?? from.image ?? from.unit ?? from.cgroup) !== undefined;
}

function acceptsPlace(from: Box['from'], place: CgroupPlace): boolean {
  return (
    matchesAny(from.container, place.container) &&
    matchesAny(from.image, place.image) &&
    matchesAny(from.unit, place.unit) &&
    matchesAny(from.cgroup, place.path)
  );
}

function matchesAny(patterns: readonly string[] | undefined, text: string | undefined): boolean {
  if (patterns === undefined) return true;
  return text !== undefined && patterns.some((pattern) => matchesGlob(pattern, text));
}

function ids(boxes: readonly Box[], dimension: 'uid' | 'gid'): SubjectEntry[] {
  const values = new Set(boxes.flatMap((box) => box.from[dimension] ?? []));
  return [...values].map((id) => ({
    kind: SubjectKind[dimension],
    length: 0,
    a: BigInt(id),
    b: 0n,
    boxes: boxesWhere(boxes, ({ from }) => from[dimension]?.includes(id) ?? false),
  }));
}

/** By its path as the interpreter was told it, not by the file: the kernel side sees no more of it. */
function scripts(boxes: readonly Box[]): SubjectEntry[] {
  return [...new Set(boxes.flatMap((box) => box.from.script ?? []))].map((path) => {
    const [a, b] = scriptSum(path);
    const accepting = boxesWhere(boxes, ({ from }) => from.script?.includes(path) ?? false);
    return { kind: SubjectKind.script, length: 0, a, b, boxes: accepting };
  });
}

/**
 * The files that `exe` paths mean, as `filesOf` finds them. Several paths may mean one file (hard links, symbolic links):
 * their boxes are joined.
 */
export function compileExecutables(
  boxes: readonly Box[],
  filesOf: (path: string) => readonly Executable[],
): SubjectEntry[] {
  const files = new Map<string, { file: Executable; paths: Set<string> }>();
  for (const path of new Set(boxes.flatMap((box) => box.from.exe ?? []))) {
    for (const file of filesOf(path)) {
      const key = `${file.device}:${file.inode}`;
      const known = files.get(key) ?? { file, paths: new Set() };
      known.paths.add(path);
      files.set(key, known);
    }
  }
  return [...files.values()].map(({ file, paths }) => ({
    kind: SubjectKind.exe,
    length: 0,
    a: file.inode,
    b: BigInt(file.device),
    boxes: boxesWhere(boxes, ({ from }) => from.exe?.some((path) => paths.has(path)) ?? false),
  }));
}

/** An entry per name and per prefix, as the kernel cuts them: several patterns may come to the same. `*` has length 0. */
function commandEntries(boxes: readonly Box[]): SubjectEntry[] {
  const groups = new Map<string, { glob: boolean; length: number; bytes: Buffer; patterns: Set<string> }>();
  for (const pattern of new Set(boxes.flatMap((box) => box.from.command ?? []))) {
    const glob = pattern.endsWith('*');
    const bytes = Buffer.alloc(16);
    // Not Buffer.write(): the kernel keeps the first bytes of a character that its cut splits.
    const length = Buffer.from(glob ? pattern.slice(0, -1) : pattern).copy(bytes, 0, 0, COMMAND_BYTES);
    const key = `${glob} ${length} ${bytes.toString('hex')}`;
    const group = groups.get(key) ?? { glob, length, bytes, patterns: new Set() };
    group.patterns.add(pattern);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ glob, length, bytes, patterns }) => ({
    kind: glob ? SubjectKind.commandPrefix : SubjectKind.command,
    length: glob ? length : 0,
    a: bytes.readBigUInt64LE(0),
    b: bytes.readBigUInt64LE(8),
    boxes: boxesWhere(boxes, ({ from }) => from.command?.some((pattern) => patterns.has(pattern)) ?? false),
  }));
}
