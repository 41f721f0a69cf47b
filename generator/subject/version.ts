import type { Subject } from '../../profiler/read/observation.ts';
import { compareText } from './order.ts';

/** The dimensions in which a path of versions is sought. */
const DIMENSIONS = ['exe', 'script'] as const;
export type VersionedDimension = (typeof DIMENSIONS)[number];

/** A subject of which a path stands for several that were seen. */
interface VersionedSubject extends Subject {
  /** By dimension: the paths that the pattern there stands for, in order. */
  versions: ReadonlyMap<VersionedDimension, readonly string[]>;
}

/**
 * Gives programs that were seen under two or more versions one path, with `*` for the version: the same path
 * but for one directory that is named by a version. `accepts` is asked whether the pattern can be enforced;
 * where it cannot, the paths stay. Programs in containers keep their paths, since a pattern means files of
 * the host.
 */
export function joinVersions(
  subjects: Iterable<Subject>,
  accepts: (pattern: string) => boolean,
): (subject: Subject) => Subject {
  const hosts = [...subjects].filter(({ inContainer }) => !inContainer);
  const patterns = new Map(
    DIMENSIONS.map((dimension) => {
      const paths = hosts.flatMap((subject) => subject[dimension] ?? []);
      return [dimension, patternsOf(new Set(paths), accepts)] as const;
    }),
  );
  return (subject) => joinSubject(subject, patterns);
}

/** The paths that a pattern of a subject stands for; undefined where the path is one that was seen. */
export function versionsOf(subject: Subject, dimension: VersionedDimension): readonly string[] | undefined {
  return (subject as Partial<VersionedSubject>).versions?.get(dimension);
}

function joinSubject(
  subject: Subject,
  patterns: ReadonlyMap<VersionedDimension, ReadonlyMap<string, Pattern>>,
): Subject {
  if (subject.inContainer) return subject;
  const versions = new Map<VersionedDimension, readonly string[]>();
  const paths: Partial<Record<VersionedDimension, string>> = {};
  for (const dimension of DIMENSIONS) {
    const found = patterns.get(dimension)!.get(subject[dimension] ?? '');
    if (!found) continue;
    paths[dimension] = found.text;
    versions.set(dimension, found.paths);
  }
  return versions.size === 0 ? subject : Object.assign({}, subject, paths, { versions });
}

interface Pattern {
  text: string;
  paths: string[];
}

/** A directory that is named by a version: `1.4.2`, `345`, `agent_2.7.41_2020-10-12`, `java-21-openjdk-amd64`. */
const VERSION = /^(?:[A-Za-z][A-Za-z+._-]*[._-])?v?\d+(?:[._+~:-][\w.+~:-]*)?$/;
/** The same in a directory of Nix, whose hash is another one each time. */
const NIX = /^[0-9a-z]{32}-([A-Za-z][A-Za-z+_-]*-)\d[\w.+-]*$/;
/** Where users may make files, and where names are those of the boot or of a container. */
const PASSING = /^\/(?:tmp|var\/tmp|dev|proc|run|home|var\/lib\/(?:docker|containers))\//;

/** By path: the pattern that stands for it and for other versions that were seen. */
function patternsOf(
  paths: ReadonlySet<string>,
  accepts: (pattern: string) => boolean,
): ReadonlyMap<string, Pattern> {
  const groups = new Map<string, Pattern>();
  for (const path of [...paths].sort(compareText)) {
    if (!path.startsWith('/') || PASSING.test(path) || path.includes('*')) continue;
    const steps = path.split('/');
    // The name of the file says which program it is.
    for (let at = 2; at < steps.length - 1; at++) {
      const step = generalOf(steps[at]!);
      if (step === undefined) continue;
      const text = steps.with(at, step).join('/');
      const group = groups.get(text) ?? { text, paths: [] };
      groups.set(text, group);
      group.paths.push(path);
    }
  }
  const found = new Map<string, Pattern>();
  // What stands for most paths first: a path has one pattern.
  const widest = [...groups.values()].sort(
    (a, b) => b.paths.length - a.paths.length || compareText(a.text, b.text),
  );
  for (const { paths: all, text } of widest) {
    const free = all.filter((path) => !found.has(path));
    if (free.length < 2 || !accepts(text)) continue;
    for (const path of free) found.set(path, { text, paths: free });
  }
  return found;
}

/** A name with `*` for the version in it; undefined where there is none. What is before the version stays. */
function generalOf(step: string): string | undefined {
  const [, program] = NIX.exec(step) ?? [];
  if (program !== undefined) return `*-${program}*`;
  if (!VERSION.test(step)) return undefined;
  const [name] = /^[^\d]*/.exec(step)!;
  // What ends a name like `java-21-openjdk-amd64` is the same in each version.
  const end = /-[A-Za-z][\w-]*$/.exec(step.slice(name.length))?.[0] ?? '';
  return `${name}*${end}`;
}
