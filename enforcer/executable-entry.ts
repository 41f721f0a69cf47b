import type { Executable } from '../bpf/executable.ts';
import { SubjectKind } from '../bpf/wire.ts';
import { meansContainerFiles } from '../policy/evaluate.ts';
import type { Box } from '../policy/policy.ts';
import { boxesWhere, emptyVector } from './box-vector.ts';
import { acceptsContainer, type CgroupPlace } from './place.ts';
import type { SubjectEntry } from './subject-entry.ts';

/** A container whose files could be looked at. */
export interface KnownContainer {
  place: CgroupPlace;
  /** Its number, the container's own: not one that a process in it has made. */
  mountNamespace: number;
  /** By path: the files that it means there, with deleted ones that it meant before. None: the path means no file. */
  files: ReadonlyMap<string, readonly FileNumber[]>;
}

/** A file without a name. */
export type FileNumber = Pick<Executable, 'device' | 'inode'>;

/** Whether a box asks for an executable of the host, or of containers. */
export function asksFor(where: 'host' | 'container', { from }: Box): boolean {
  return from.exe !== undefined && meansContainerFiles(from) === (where === 'container');
}

/** The `exe` paths that boxes name of the host, each once. */
export function hostPaths(boxes: readonly Box[]): string[] {
  return pathsOf(boxes.filter((box) => asksFor('host', box)));
}

/** The `exe` paths that boxes name of this container, each once. */
export function pathsInside(boxes: readonly Box[], place: CgroupPlace): string[] {
  return pathsOf(boxes.filter((box) => asksFor('container', box) && acceptsContainer(box.from, place)));
}

function pathsOf(boxes: readonly Box[]): string[] {
  return [...new Set(boxes.flatMap(({ from }) => from.exe ?? []))];
}

/** The files of the host that `exe` paths mean, as `filesOf` finds them. */
export function compileExecutables(
  boxes: readonly Box[],
  filesOf: (path: string) => readonly FileNumber[],
): SubjectEntry[] {
  const files = new Map(hostPaths(boxes).map((path) => [path, filesOf(path)]));
  return entriesOf(boxes, files, (box) => asksFor('host', box)).map(({ file, boxes: accepting }) => ({
    kind: SubjectKind.exe,
    length: 0,
    a: file.inode,
    b: BigInt(file.device),
    boxes: accepting,
  }));
}

/** The files of a container that `exe` paths mean, and an entry that says so of all others. */
export function compileContainer(boxes: readonly Box[], container: KnownContainer): SubjectEntry[] {
  const { files, mountNamespace, place } = container;
  const asks = (box: Box) => asksFor('container', box) && acceptsContainer(box.from, place);
  const entry = { kind: SubjectKind.exeInside, length: 0 };
  const b = BigInt(mountNamespace) << 32n;
  return [
    { ...entry, a: 0n, b, boxes: emptyVector() },
    ...entriesOf(boxes, files, asks).map(({ file, boxes: accepting }) =>
      Object.assign({}, entry, { a: file.inode, b: b | BigInt(file.device), boxes: accepting }),
    ),
  ];
}

/** Several paths may mean one file (hard links, symbolic links): their boxes are joined. */
function entriesOf(
  boxes: readonly Box[],
  filesOf: ReadonlyMap<string, readonly FileNumber[]>,
  asks: (box: Box) => boolean,
): { file: FileNumber; boxes: SubjectEntry['boxes'] }[] {
  const files = new Map<string, { file: FileNumber; paths: Set<string> }>();
  for (const [path, own] of filesOf) {
    for (const file of own) {
      const key = `${file.device}:${file.inode}`;
      const known = files.get(key) ?? { file, paths: new Set() };
      known.paths.add(path);
      files.set(key, known);
    }
  }
  return [...files.values()].map(({ file, paths }) => ({
    file,
    boxes: boxesWhere(boxes, (box) => asks(box) && box.from.exe!.some((path) => paths.has(path))),
  }));
}
