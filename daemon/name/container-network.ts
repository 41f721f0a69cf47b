import { closeSync } from 'node:fs';
import { namespaceOf } from '../../host/namespace.ts';
import { type Address, formatAddress } from '../../policy/value/address.ts';
import { type BundleNetwork, readResolvConf } from '../../profiler/identity/runtime/bundle.ts';
import type { HostHolders } from '../../profiler/name/host-holder.ts';
import type { Holder, NamespaceResolver } from '../../profiler/name/resolver-table.ts';
import { isLoopback, namedIn, stampOf } from '../../profiler/name/resolvers.ts';

/** Processes by which a namespace is looked into; the first one that is still there is taken. */
const PIDS = 64;

/** What a network namespace is known by, and held by. */
export interface HeldNamespace {
  number: number;
  /** A descriptor of it: no other namespace gets its number. */
  fd: number;
  /** The file as which a runtime keeps it. */
  pin: string;
}

interface ResolvConfFile {
  /** When the first container that can write it began, milliseconds since the epoch. */
  since: number;
  /** The state in which it was read last. */
  stamp: string;
}

/** The network of one container, or of several that share it, and whose answers count in there. */
export class ContainerNetwork implements Disposable {
  readonly #held: HeldNamespace;
  readonly #holders: HostHolders;
  readonly #pids: number[] = [];
  /** What lies at /etc/resolv.conf in its containers. */
  readonly #files = new Map<string, ResolvConfFile>();
  /** Whose answers come from outside of the namespace. */
  readonly #far = new Map<string, Address>();
  /** Who answers inside of it, for a process of the host. */
  readonly #near = new Map<string, { address: Address; holder: Holder | undefined }>();
  /** A resolv.conf that somebody in a container may have written, so that it says nothing. */
  rewritten: string | undefined;

  constructor(held: HeldNamespace, holders: HostHolders) {
    this.#held = held;
    this.#holders = holders;
  }

  /** Whether a runtime still keeps it. */
  isKept(numberOf: (path: string) => number | undefined): boolean {
    return numberOf(this.#held.pin) === this.#held.number;
  }

  /** Takes up one more container that is in it. */
  add({ pid, resolvConf, since }: BundleNetwork): void {
    this.#pids.push(pid);
    if (this.#pids.length > PIDS) this.#pids.shift();
    if (resolvConf !== undefined) {
      const file = this.#files.get(resolvConf);
      this.#files.set(resolvConf, { stamp: '', since: Math.min(since, file?.since ?? since) });
    }
    this.look();
  }

  /** Sees what has changed since the last time. Returns whether anything has. */
  look(): boolean {
    const before = JSON.stringify(this.resolvers(['auto']), withText);
    for (const [path, file] of this.#files) {
      const now = stampOf(path);
      if (now === file.stamp) continue;
      file.stamp = now;
      this.#read(path, file.since);
    }
    for (const near of this.#near.values()) near.holder = this.#holderOf(near.address, near.holder);
    return before !== JSON.stringify(this.resolvers(['auto']), withText);
  }

  /** Whether the holder of each resolver inside of it is known. */
  get settled(): boolean {
    return [...this.#near.values()].every(({ holder }) => holder !== undefined);
  }

  /** Whose answers count: `auto` is whom the runtime named. Others are never inside of it. */
  resolvers(wanted: readonly ('auto' | Address)[]): NamespaceResolver[] {
    const namespace = this.#held.number;
    const far = wanted.flatMap((each) =>
      each === 'auto' ? [...this.#far.values()] : isLoopback(each) ? [] : [each],
    );
    const near = wanted.includes('auto') ? [...this.#near.values()] : [];
    return [
      ...far.map((address) => ({ address, namespace, near: false, holder: undefined })),
      ...near.map(({ address, holder }) => ({ address, namespace, near: true, holder })),
    ];
  }

  [Symbol.dispose](): void {
    closeSync(this.#held.fd);
  }

  /** What counted once goes on counting: a runtime that writes the file again can't be told from the container. */
  #read(path: string, since: number): void {
    const file = readResolvConf(path, since);
    if (file === undefined) return;
    if (!file.asWritten) this.rewritten = path;
    for (const address of namedIn(file.text)) {
      const text = formatAddress(address);
      // Nobody in the container can be the one who answers there, whoever wrote the file.
      if (isLoopback(address)) this.#near.set(text, this.#near.get(text) ?? { address, holder: undefined });
      else if (file.asWritten) this.#far.set(text, address);
    }
  }

  /** dockerd that starts again, while containers go on, opens another socket, in another cgroup perhaps. */
  #holderOf(address: Address, before: Holder | undefined): Holder | undefined {
    const pid = this.#pids.findLast((each) => isIn(each, this.#held.number));
    return pid === undefined ? before : this.#holders.find(pid, address, before);
  }
}

function isIn(pid: number, namespace: number): boolean {
  try {
    return namespaceOf(pid, 'net') === namespace;
  } catch {
    return false;
  }
}

/** Numbers of 128 bits have no form in JSON. */
function withText(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
