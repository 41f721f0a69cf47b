import type { FileObject } from '../bpf/executable.ts';
import { SubjectKind } from '../bpf/wire.ts';
import { meansContainerFiles } from '../policy/meaning/evaluate.ts';
import type { Box } from '../policy/meaning/policy.ts';
import { boxesWhere, emptyVector } from './vector/box-vector.ts';
import { acceptsContainer, type KnownCgroup } from './known-cgroup.ts';
import type { SubjectEntry } from './subject-entry.ts';

/** A container whose files could be looked at. */
export interface KnownContainer {
  place: KnownCgroup;
  /** Its number, the container's own: not one that a process in it has made. */
  mountNamespace: number;
  /**
   * By path: the files that it means there, with deleted ones that it meant before. None: the path means no
   * file.
   */
  files: ReadonlyMap<string, readonly FileObject[]>;
}

/** Whether a box asks for an executable of the host, or of containers. */
export function asksFor(where: 'host' | 'container', { from }: Box): boolean {
  return from.exe !== undefined && meansContainerFiles(from) === (where === 'container');
}

/** The `exe` paths and patterns that boxes name of the host, each once. */
export function hostPaths(boxes: readonly Box[]): string[] {
  return pathsOf(boxes.filter((box) => asksFor('host', box)));
}

/** The `exe` paths that boxes name of this container, each once. */
export function pathsInside(boxes: readonly Box[], place: KnownCgroup): string[] {
  return pathsOf(boxes.filter((box) => asksFor('container', box) && acceptsContainer(box.from, place)));
}

function pathsOf(boxes: readonly Box[]): string[] {
  return [...new Set(boxes.flatMap(({ from }) => from.exe ?? []))];
}

/** The files of the host that `exe` paths mean, as `filesOf` finds them. */
export function compileExecutables(
  boxes: readonly Box[],
  filesOf: (path: string) => readonly FileObject[],
): SubjectEntry[] {
  const files = new Map(hostPaths(boxes).map((path) => [path, filesOf(path)]));
  const kinds = { numbered: SubjectKind.exe, named: SubjectKind.exeObject };
  return entriesOf(boxes, files, (box) => asksFor('host', box), kinds);
}

/** The files of a container that `exe` paths mean, and an entry that says so of all others. */
export function compileContainer(boxes: readonly Box[], container: KnownContainer): SubjectEntry[] {
  const { files, mountNamespace, place } = container;
  const asks = (box: Box) => asksFor('container', box) && acceptsContainer(box.from, place);
  const b = BigInt(mountNamespace) << 32n;
  const kinds = { numbered: SubjectKind.exeInside, named: SubjectKind.exeInsideObject };
  return [
    { kind: SubjectKind.exeInside, length: 0, a: 0n, b, boxes: emptyVector() },
    ...entriesOf(boxes, files, asks, kinds).map((entry) => Object.assign(entry, { b: entry.b ^ b })),
  ];
}

/**
 * Two entries a file: by its number, by which deny rules hold, and by its object, without which no allow rule
 * does. Several paths may mean one file (hard links, symbolic links), and several files may have one number:
 * their boxes are joined.
 */
function entriesOf(
  boxes: readonly Box[],
  filesOf: ReadonlyMap<string, readonly FileObject[]>,
  asks: (box: Box) => boolean,
  kinds: { numbered: number; named: number },
): SubjectEntry[] {
  const groups = new Map<string, { kind: number; a: bigint; b: bigint; paths: Set<string> }>();
  const add = (path: string, kind: number, a: bigint, b: bigint) => {
    const key = `${kind} ${a} ${b}`;
    const group = groups.get(key) ?? { kind, a, b, paths: new Set() };
    group.paths.add(path);
    groups.set(key, group);
  };
  for (const [path, files] of filesOf) {
    for (const { device, generation, inode, object } of files) {
      add(path, kinds.numbered, inode, BigInt(device));
      add(path, kinds.named, object, inode ^ (BigInt(generation) << 32n));
    }
  }
  return [...groups.values()].map(({ kind, a, b, paths }) => {
    const accepting = boxesWhere(boxes, (box) => asks(box) && box.from.exe!.some((path) => paths.has(path)));
    return { kind, length: 0, a, b, boxes: accepting };
  });
}
