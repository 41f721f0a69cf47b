import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { readCgroupPath, type CgroupMeaning } from './cgroup.ts';

/** Paths remembered. One that was forgotten is looked at again. */
const KEPT = 16_384;

/**
 * Reads paths of cgroups, and believes the name of a container only where root alone can have given it. A
 * service that has its part of the hierarchy to itself (Delegate=) may make cgroups there, and call one like
 * a container of root; its directory is its user's.
 */
export class CgroupReader {
  readonly #root: string;
  /** Who may have made a cgroup, by path. It is gone soon, and what ran in it is reported later. */
  readonly #makers = new Map<string, number>();

  /** `root`: where the hierarchy of cgroups is mounted. */
  constructor(root: string = cgroupRoot()) {
    this.#root = root;
  }

  read(path: string): CgroupMeaning {
    const meaning = readCgroupPath(path);
    const { container, unit } = meaning;
    if (container && container.user === undefined) {
      const maker = this.#makerOf(container.path, unit !== undefined);
      if (maker !== 0) container.user = maker;
    }
    return meaning;
  }

  /** The uid of the user who, beside root, may have made a cgroup: -1 where that is not known. */
  #makerOf(path: string, inUnit: boolean): number {
    const known = this.#makers.get(path);
    if (known !== undefined) return known;
    const above = statSync(this.#root + dirname(path), { throwIfNoEntry: false });
    // Gone: outside of the units of systemd only root makes cgroups.
    const maker = above?.uid ?? (inUnit ? -1 : 0);
    if (this.#makers.size >= KEPT) this.#makers.delete(this.#makers.keys().next().value!);
    this.#makers.set(path, maker);
    return maker;
  }
}
