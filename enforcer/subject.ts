import type { FileObject } from '../bpf/executable.ts';
import { scriptSum } from '../bpf/interpreter.ts';
import { SubjectKind, SUBJECT_KINDS } from '../bpf/wire.ts';
import { meansContainerFiles } from '../policy/meaning/evaluate.ts';
import { COMMAND_BYTES, isGlob } from '../policy/value/name.ts';
import { type AccountDimension, FROM, type IdKind } from '../policy/meaning/dimension.ts';
import type { Action, Box, From } from '../policy/meaning/policy.ts';
import { boxesWhere, type BoxVector } from './vector/box-vector.ts';
import { compileContainer, compileExecutables, type KnownContainer } from './executable-entry.ts';
import { acceptsCgroup, type KnownCgroup, namesCgroup, type PlaceDimension } from './known-cgroup.ts';
import type { SubjectEntry } from './subject-entry.ts';

/** Finds the file that an `exe` path means on the host, or those that a pattern does; undefined when there is none. */
export type ResolveExecutable = (path: string) => FileObject | readonly FileObject[] | undefined;

/** Finds the scripts of the host that a pattern means. */
export type ResolveScripts = (pattern: string) => readonly string[];

/** Finds the id that a name means in rules of this kind; undefined when there is none. */
export type ResolveAccount = (kind: IdKind, name: string, action: Action) => number | undefined;

export interface SubjectTables {
  /** By SubjectKind: the boxes that don't name the dimension. */
  any: BoxVector[];
  /** The deny boxes, and those that name a container or an image: paths in them mean files there. */
  inside: BoxVector;
  entries: SubjectEntry[];
  commandPrefixes: number;
  /** `exe` paths that mean no file of the host at present: their rules match nothing. */
  unresolved: string[];
  /** Units and cgroups that boxes name without a pattern. */
  named: { units: string[]; cgroups: string[] };
  /** The boxes that accept a cgroup, its container and its unit. */
  cgroup(known: KnownCgroup): BoxVector;
}

/** How the kernel side looks at a dimension. */
interface Lookup {
  /** The kinds of keys that it looks up, each with whether a box asks for none of that kind. */
  any: Partial<Record<keyof typeof SubjectKind, (from: From) => boolean>>;
  /** The keys that boxes name. */
  entries(boxes: readonly Box[], host: Host): SubjectEntry[];
}

/** What is known of the files that `exe` paths mean, and of the ids that names do. */
interface Host {
  of(path: string): FileObject[];
  containers: readonly KnownContainer[];
  account: ResolveAccount;
  scripts: ResolveScripts;
}

/**
 * The dimensions of `from` that the kernel side answers by a look at the process. All others are those of a
 * known.
 */
const LOOKUPS: Record<Exclude<keyof From, PlaceDimension>, Lookup> = {
  uid: {
    any: { uid: ({ uid, user }) => !uid && !user },
    entries: (boxes, { account }) => compileIds(boxes, 'user', account),
  },
  gid: {
    any: { gid: ({ gid, group }) => !gid && !group },
    entries: (boxes, { account }) => compileIds(boxes, 'group', account),
  },
  // A policy is compiled for one host: see forHost.
  host: { any: {}, entries: refuseHosts },
  // A name is an id to the kernel side.
  user: { any: {}, entries: () => [] },
  group: { any: {}, entries: () => [] },
  exe: {
    any: {
      exe: (from) => !from.exe || meansContainerFiles(from),
      exeInside: (from) => !from.exe || !meansContainerFiles(from),
    },
    entries: (boxes, { containers, of }) => [
      ...compileExecutables(boxes, of),
      ...containers.flatMap((container) => compileContainer(boxes, container)),
    ],
  },
  script: {
    any: { script: ({ script }) => !script },
    entries: (boxes, { scripts }) => compileScripts(boxes, scripts),
  },
  command: {
    any: { command: ({ command }) => !command, commandPrefix: ({ command }) => !command },
    entries: commandEntries,
  },
};

/** Left in, a rule for one host would hold on every other. */
function refuseHosts(boxes: readonly Box[]): never[] {
  if (boxes.some(({ from }) => from.host))
    throw new Error('a policy is compiled that was not made for one host');
  return [];
}

/** Compiles the `from` of all boxes. `containers` are those whose files are known already. */
export function compileSubjects(
  boxes: readonly Box[],
  resolve: ResolveExecutable,
  containers: readonly KnownContainer[] = [],
  account: ResolveAccount = () => undefined,
  scripts: ResolveScripts = () => [],
): SubjectTables {
  const unresolved: string[] = [];
  const of = (path: string) => {
    const files = [resolve(path) ?? []].flat();
    if (files.length === 0) unresolved.push(path);
    return files;
  };
  const any: BoxVector[] = Array.from({ length: SUBJECT_KINDS });
  any[SubjectKind.cgroup] = boxesWhere(boxes, ({ from }) => !namesCgroup(from));
  const entries: SubjectEntry[] = [];
  for (const lookup of Object.values(LOOKUPS)) {
    for (const [kind, asksNothing] of Object.entries(lookup.any)) {
      any[SubjectKind[kind as keyof typeof SubjectKind]] = boxesWhere(boxes, ({ from }) => asksNothing(from));
    }
    for (const entry of lookup.entries(boxes, { of, containers, account, scripts })) entries.push(entry);
  }
  return {
    any,
    inside: boxesWhere(boxes, ({ action, from }) => action === 'deny' || meansContainerFiles(from)),
    entries,
    commandPrefixes: entries.filter((entry) => entry.kind === SubjectKind.commandPrefix).length,
    unresolved,
    named: {
      units: plainNames(boxes.flatMap(({ from }) => from.unit ?? [])),
      cgroups: plainNames(boxes.flatMap(({ from }) => from.cgroup ?? [])),
    },
    cgroup: (known) => boxesWhere(boxes, ({ from }) => acceptsCgroup(from, known)),
  };
}

const plainNames = (patterns: readonly string[]): string[] =>
  [...new Set(patterns)].filter((pattern) => !isGlob(pattern));

/** The ids of users or of groups that boxes name, by number or by name: no box does both. */
export function compileIds(
  boxes: readonly Box[],
  account: AccountDimension,
  resolve: ResolveAccount,
): SubjectEntry[] {
  const { ids, of } = FROM[account];
  const listed = boxes.map(({ action, from }) => [
    ...(from[ids] ?? []),
    ...(from[account] ?? []).flatMap((name) => resolve(of, name, action) ?? []),
  ]);
  return [...new Set(listed.flat())].map((id) => ({
    kind: SubjectKind[ids],
    length: 0,
    a: BigInt(id),
    b: 0n,
    boxes: boxesWhere(listed, (each) => each.includes(id)),
  }));
}

/** By its path as the interpreter received it, not by the file: the kernel side sees no more of it. */
export function compileScripts(boxes: readonly Box[], resolve: ResolveScripts): SubjectEntry[] {
  const named = new Set(boxes.flatMap((box) => box.from.script ?? []));
  const found = new Map([...named].map((path) => [path, isGlob(path) ? resolve(path) : [path]]));
  return [...new Set([...found.values()].flat())].map((path) => {
    const [a, b] = scriptSum(path);
    const accepting = boxesWhere(
      boxes,
      ({ from }) => from.script?.some((each) => found.get(each)!.includes(path)) ?? false,
    );
    return { kind: SubjectKind.script, length: 0, a, b, boxes: accepting };
  });
}

/**
 * An entry per name and per prefix, as the kernel cuts them: several patterns may come to the same. `*` has
 * length 0.
 */
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
