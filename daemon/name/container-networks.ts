import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { visibleNamespace, namespaceOf } from '../../host/namespace.ts';
import {
  type Bundle,
  type BundleFolder,
  BUNDLE_ROOTS,
  bundleFolders,
  bundlesIn,
  entriesOf,
  isOfRoot,
  readNetwork,
  statsOf,
} from '../../profiler/identity/runtime/bundle.ts';
import { HostHolders } from '../../profiler/name/host-holder.ts';
import { ContainerNetwork } from './container-network.ts';

/** Where docker, podman, CNI and CRI-O keep the network namespaces that they make, each as a file. */
const PINS = ['/run/netns', '/run/docker/netns'];
/** How long after it was heard of a container may take to get a network, milliseconds. */
const YOUNG = 5000;
/** Network namespaces that are followed: each takes a descriptor. */
const MOST = 4096;

/** In the place of a descriptor: there is no room. */
const FULL = -1;

interface Followed {
  bundle: Bundle;
  /** Tells the file with its pid from an earlier one. Empty: there is none yet. */
  stamp: string;
  /** Number of its network namespace; undefined while it has none that a runtime keeps. */
  namespace: number | undefined;
  /** Until when it is looked at again and again, milliseconds of the process's clock. */
  until: number;
  /** It found no room. */
  waiting: boolean;
}

/** What ContainerNetworks looks at. */
export interface NetworkPlaces {
  folders(): BundleFolder[];
  /** Where folders appear. */
  roots: readonly string[];
  pins: readonly string[];
  /** The host's network namespace. */
  host: number;
}

/**
 * The networks of the containers that runtimes of root have made. A namespace counts where a runtime keeps it, as a file
 * in a folder of root, and the first process of a container is in it. So whoever makes one of its own is believed
 * nothing there.
 *
 * Each is held open from before anything is known of it until `release`: meanwhile no other namespace gets its number.
 */
export class ContainerNetworks implements Disposable {
  readonly #places: NetworkPlaces;
  readonly #holders: HostHolders;
  /** By number. */
  readonly #networks = new Map<number, ContainerNetwork>();
  /** By the path of the file with the pid. */
  readonly #followed = new Map<string, Followed>();
  readonly #ended = new Map<number, ContainerNetwork>();
  /** Networks that could not be followed: too many, or no descriptor for them. */
  missing = 0;

  constructor(
    places: NetworkPlaces = {
      folders: bundleFolders,
      roots: BUNDLE_ROOTS,
      pins: PINS,
      host: visibleNamespace('net'),
    },
  ) {
    this.#places = places;
    this.#holders = new HostHolders(places.host);
  }

  get list(): ContainerNetwork[] {
    return [...this.#networks.values()];
  }

  /** Folders in which something appears when a container is made or ends. */
  get watched(): string[] {
    const { folders, pins, roots } = this.#places;
    return [...roots, ...folders().map(({ path }) => path), ...pins];
  }

  /** Looks at all of it. To be called about once a second. */
  look(now: number): void {
    const there = new Set<string>();
    for (const folder of this.#places.folders()) {
      for (const bundle of bundlesIn(folder)) {
        there.add(bundle.pidFile);
        if (!this.#followed.has(bundle.pidFile)) this.#follow(bundle, now);
      }
    }
    for (const path of this.#followed.keys()) if (!there.has(path)) this.#followed.delete(path);
    this.#findEnded();
    this.missing = 0;
    for (const each of this.#followed.values()) this.#lookAt(each);
    for (const network of this.#networks.values()) network.look();
  }

  /** Something has appeared or vanished in a folder. Returns whether all of it is to be looked at. */
  heard(folder: string, entry: string, now: number): boolean {
    const { folders, pins, roots } = this.#places;
    if (roots.includes(folder)) return true;
    if (pins.includes(folder)) {
      // A container may be started again: its bundle is there already.
      for (const each of this.#followed.values()) if (!this.#isJoined(each)) each.until = now + YOUNG;
      return false;
    }
    const found = folders().find(({ path }) => path === folder);
    if (found) this.#follow(found.bundle(entry), now);
    return false;
  }

  /** Looks at what has been heard of a moment ago, until it has a network. Returns whether anything has changed. */
  lookAtYoung(now: number): boolean {
    let changed = this.#findEnded();
    for (const each of this.young(now)) changed = this.#lookAt(each) || changed;
    for (const network of this.#networks.values()) if (!network.settled) changed = network.look() || changed;
    return changed;
  }

  /** Containers of which a network is expected at any moment. */
  young(now: number): Followed[] {
    return [...this.#followed.values()].filter(
      ({ namespace, until }) =>
        now < until && (namespace === undefined || !this.#networks.get(namespace)?.settled),
    );
  }

  /** Numbers of the namespaces that ended: what is known of them is to be forgotten, and then they are released. */
  get ended(): ReadonlySet<number> {
    return new Set(this.#ended.keys());
  }

  release(): void {
    for (const network of this.#ended.values()) network[Symbol.dispose]();
    this.#ended.clear();
  }

  [Symbol.dispose](): void {
    this.release();
    for (const network of this.#networks.values()) network[Symbol.dispose]();
    this.#networks.clear();
  }

  #follow(bundle: Bundle, now: number): void {
    const known = this.#followed.get(bundle.pidFile);
    const until = now + YOUNG;
    if (known) known.until = until;
    else
      this.#followed.set(bundle.pidFile, { bundle, stamp: '', namespace: undefined, until, waiting: false });
  }

  /** Namespaces that no runtime keeps any more. */
  #findEnded(): boolean {
    let found = false;
    for (const [number, network] of this.#networks) {
      if (network.isKept(numberOf)) continue;
      this.#networks.delete(number);
      this.#ended.set(number, network);
      found = true;
    }
    return found;
  }

  #lookAt(followed: Followed): boolean {
    const stats = statsOf(followed.bundle.pidFile);
    const stamp = stats === undefined ? '' : `${stats.ino} ${stats.ctimeMs}`;
    const changed = stamp !== followed.stamp;
    if (!changed && this.#isJoined(followed)) return false;
    followed.stamp = stamp;
    // What led to nothing for a while leads to nothing.
    const isFresh = stats !== undefined && Date.now() - stats.ctimeMs < YOUNG;
    if (stamp === '' || !(changed || isFresh || followed.waiting)) return false;
    followed.namespace = undefined;
    followed.waiting = false;
    return this.#join(followed);
  }

  #isJoined({ namespace }: Followed): boolean {
    return namespace !== undefined && this.#networks.has(namespace);
  }

  #join(followed: Followed): boolean {
    const network = readNetwork(followed.bundle);
    if (network === undefined) return false;
    const { host } = this.#places;
    const number = network === 'host' ? host : networkOf(network.pid);
    if (number === host) followed.until = 0;
    if (network === 'host' || number === undefined || number === host) return false;
    const known = this.#networks.get(number) ?? this.#open(network.pid, number, followed);
    if (known === undefined) return false;
    known.add(network);
    followed.namespace = number;
    return true;
  }

  /** Holds a namespace open, where a runtime keeps it. */
  #open(pid: number, number: number, followed: Followed): ContainerNetwork | undefined {
    // What ended a moment ago is not forgotten yet.
    if (this.#ended.has(number)) return undefined;
    let fd: number;
    try {
      // By the process: a file that is open in a mount keeps a runtime from unmounting it.
      fd = this.#networks.size < MOST ? openSync(`/proc/${pid}/ns/net`, 'r') : FULL;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EMFILE') return undefined;
      fd = FULL;
    }
    if (fd === FULL) {
      followed.waiting = true;
      this.missing += 1;
      return undefined;
    }
    // Only now: what is open keeps its number.
    const pin = fstatSync(fd).ino === number ? this.#pinOf(number) : undefined;
    if (pin === undefined) {
      closeSync(fd);
      return undefined;
    }
    const network = new ContainerNetwork({ number, fd, pin }, this.#holders);
    this.#networks.set(number, network);
    return network;
  }

  /** The file as which a runtime keeps a namespace. */
  #pinOf(number: number): string | undefined {
    for (const folder of this.#places.pins) {
      if (!isOfRoot(folder)) continue;
      for (const entry of entriesOf(folder)) {
        const path = join(folder, entry);
        if (numberOf(path) === number) return path;
      }
    }
    return undefined;
  }
}

/** Undefined for a process that is gone. */
function networkOf(pid: number): number | undefined {
  try {
    return namespaceOf(pid, 'net');
  } catch {
    return undefined;
  }
}

/** Number of the namespace that a file stands for; undefined where it stands for none. */
function numberOf(path: string): number | undefined {
  const stats = statsOf(path);
  return stats?.dev === statsOf('/proc/self/ns/net')!.dev ? stats.ino : undefined;
}
