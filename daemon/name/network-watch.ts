import { type FSWatcher, watch } from 'node:fs';
import { statsOf } from '../../profiler/identity/runtime/bundle.ts';
import type { ContainerNetworks } from './container-networks.ts';

/** Milliseconds between two looks at what was heard of a moment ago: a container asks for names at once. */
const SOON = 5;

/**
 * Looks at the networks of containers as soon as something happens in the folders of their runtimes, and while it goes
 * on. Without inotify it is left to the look of each second.
 */
export class NetworkWatch implements Disposable {
  readonly #networks: ContainerNetworks;
  readonly #changed: () => void;
  readonly #now: () => number;
  readonly #watchers = new Map<string, { watcher: FSWatcher; inode: number }>();
  #timer: NodeJS.Timeout | undefined;
  /** Whether there are folders that nobody watches yet. */
  #all = false;
  /** What went wrong since the last look, between two of them. */
  #failure: unknown;

  /** `changed` is called where there may be other networks or resolvers than before. `now`: milliseconds. */
  constructor(networks: ContainerNetworks, changed: () => void, now: () => number = () => performance.now()) {
    this.#networks = networks;
    this.#changed = changed;
    this.#now = now;
  }

  /** To be called about once a second: folders come with the first container of a runtime. Throws what went wrong. */
  look(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    this.#all = false;
    this.#watchAll(new Set(this.#networks.watched));
    this.#networks.look(this.#now());
    this.#changed();
    this.#lookSoon();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const { watcher } of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watchAll(wanted: ReadonlySet<string>): void {
    for (const [folder, { inode, watcher }] of this.#watchers) {
      // Of one that was made anew nothing is heard.
      if (wanted.has(folder) && inodeOf(folder) === inode) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of wanted) if (!this.#watchers.has(folder)) this.#watch(folder);
  }

  #watch(folder: string): void {
    const inode = inodeOf(folder);
    if (inode === undefined) return;
    try {
      const watcher = watch(folder, { persistent: false }, (_, entry) => {
        this.#lookSoon(0, entry !== null && this.#networks.heard(folder, entry, this.#now()));
      });
      // The next look watches again.
      watcher.on('error', () => this.#watchers.set(folder, { watcher, inode: -1 }));
      this.#watchers.set(folder, { watcher, inode });
    } catch {
      // There is no room for one more.
    }
  }

  /** `all`: folders have appeared. */
  #lookSoon(after = SOON, all = false): void {
    this.#all ||= all;
    if (this.#timer !== undefined || (after > 0 && this.#networks.young(this.#now()).length === 0)) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      try {
        if (this.#all) this.look();
        else if (this.#networks.lookAtYoung(this.#now())) this.#changed();
        this.#lookSoon();
      } catch (error) {
        this.#failure = error;
      }
    }, after).unref();
  }
}

function inodeOf(folder: string): number | undefined {
  return statsOf(folder)?.ino;
}
