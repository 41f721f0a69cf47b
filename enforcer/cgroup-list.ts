import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ListedCgroup } from './apply.ts';
import type { CgroupPlace, SubjectTables } from './subject.ts';

/** The mounted cgroup v2 hierarchy: the unified one, or the one beside version 1 on a hybrid host. */
export function cgroupRoot(): string {
  for (const root of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']) {
    try {
      statSync(join(root, 'cgroup.controllers'));
      return root;
    } catch {
      // Not mounted there.
    }
  }
  return '/sys/fs/cgroup';
}

/**
 * Every cgroup that exists and has an identity of its own under the policy. A cgroup that is accepted by the same
 * boxes as the one above it is left out, since the kernel side goes by the innermost that is listed.
 */
export function listCgroups(
  subjects: SubjectTables,
  describe: (path: string) => CgroupPlace,
  root: string = cgroupRoot(),
): ListedCgroup[] {
  const found: ListedCgroup[] = [];
  visit('', undefined);
  return found;

  function visit(path: string, above: string | undefined): void {
    let id: bigint;
    let children: string[];
    try {
      id = statSync(root + path, { bigint: true }).ino;
      children = readdirSync(root + path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name);
    } catch {
      return;
    }
    const boxes = subjects.cgroup(describe(path === '' ? '/' : path));
    const key = boxes.join();
    if (key !== above) found.push({ id, boxes });
    for (const child of children) visit(`${path}/${child}`, key);
  }
}
