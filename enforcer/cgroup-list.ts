import { readdirSync, statSync } from 'node:fs';
import { cgroupRoot } from '../bpf/cgroup-root.ts';
import { CGROUP_LISTED_EVERY } from '../bpf/wire.ts';
import type { ListedCgroup } from './apply.ts';
import type { CgroupPlace } from './place.ts';
import type { SubjectTables } from './subject.ts';

/** The paths of all cgroups that exist, the root's first. */
export function cgroupPaths(root: string, path = ''): string[] {
  return [
    path === '' ? '/' : path,
    ...childrenOf(root + path).flatMap((name) => cgroupPaths(root, `${path}/${name}`)),
  ];
}

function childrenOf(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

/** A cgroup to be listed, with its path below the root of the hierarchy. */
export interface FoundCgroup extends ListedCgroup {
  path: string;
}

/**
 * Every cgroup that exists and has an identity of its own under the policy. A cgroup that is accepted by the same
 * boxes as the one above it is left out, since the kernel side goes by the innermost that is listed; but it only looks
 * so far up, so that one in CGROUP_LISTED_EVERY is listed in any case.
 */
export function listCgroups(
  subjects: SubjectTables,
  describe: (path: string) => CgroupPlace,
  root: string = cgroupRoot(),
): FoundCgroup[] {
  const found: FoundCgroup[] = [];
  visit('', undefined, 0);
  return found;

  /** `above`: the boxes of the listed one that is `steps` up. */
  function visit(path: string, above: string | undefined, steps: number): void {
    let id: bigint;
    try {
      id = statSync(root + path, { bigint: true }).ino;
    } catch {
      return;
    }
    const name = path === '' ? '/' : path;
    const boxes = subjects.cgroup(describe(name));
    const key = boxes.join();
    const listed = key !== above || steps === CGROUP_LISTED_EVERY;
    if (listed) found.push({ id, boxes, path: name });
    for (const child of childrenOf(root + path)) visit(`${path}/${child}`, key, listed ? 1 : steps + 1);
  }
}
