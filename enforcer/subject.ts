import type { FileObject } from '../bpf/executable.ts';
import { scriptSum } from '../bpf/interpreter.ts';
import { SubjectKind, SUBJECT_KINDS } from '../bpf/wire.ts';
import { meansContainerFiles } from '../policy/meaning/evaluate.ts';
import { COMMAND_BYTES } from '../policy/value/name.ts';
import type { Box } from '../policy/meaning/policy.ts';
import { boxesWhere, type BoxVector } from './box-vector.ts';
import { compileContainer, compileExecutables, type KnownContainer } from './executable-entry.ts';
import { acceptsPlace, type CgroupPlace, namesPlace } from './place.ts';
import type { SubjectEntry } from './subject-entry.ts';

/** Finds the file that an `exe` path means on the host; undefined when there is none. */
export type ResolveExecutable = (path: string) => FileObject | undefined;

export interface SubjectTables {
  /** By SubjectKind: the boxes that don't name the dimension. */
  any: BoxVector[];
  /** The deny boxes, and those that name a container or an image: paths in them mean files there. */
  inside: BoxVector;
  entries: SubjectEntry[];
  commandPrefixes: number;
  /** `exe` paths that mean no file of the host at present: their rules match nothing. */
  unresolved: string[];
  /** The boxes that accept a cgroup, its container and its unit. */
  cgroup(place: CgroupPlace): BoxVector;
}

/** Compiles the `from` of all boxes. `containers` are those whose files are known already. */
export function compileSubjects(
  boxes: readonly Box[],
  resolve: ResolveExecutable,
  containers: readonly KnownContainer[] = [],
): SubjectTables {
  const any: BoxVector[] = Array.from({ length: SUBJECT_KINDS });
  any[SubjectKind.uid] = boxesWhere(boxes, ({ from }) => from.uid === undefined);
  any[SubjectKind.gid] = boxesWhere(boxes, ({ from }) => from.gid === undefined);
  any[SubjectKind.exe] = boxesWhere(boxes, ({ from }) => !from.exe || meansContainerFiles(from));
  any[SubjectKind.exeInside] = boxesWhere(boxes, ({ from }) => !from.exe || !meansContainerFiles(from));
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
  entries.push(...executables, ...containers.flatMap((container) => compileContainer(boxes, container)));
  entries.push(...scripts(boxes));
  const commands = commandEntries(boxes);
  entries.push(...commands);
  return {
    any,
    inside: boxesWhere(boxes, ({ action, from }) => action === 'deny' || meansContainerFiles(from)),
    entries,
    commandPrefixes: commands.filter((entry) => entry.kind === SubjectKind.commandPrefix).length,
    unresolved,
    cgroup: (place) => boxesWhere(boxes, ({ from }) => acceptsPlace(from, place)),
  };
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
