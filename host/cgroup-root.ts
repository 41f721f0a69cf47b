import { statSync } from 'node:fs';
import { join } from 'node:path';

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
