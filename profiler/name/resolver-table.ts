import { SystemError } from '../../bpf/libbpf.ts';
import type { BpfMap } from '../../bpf/map.ts';
import { ResolverKey, ResolverValue } from '../../bpf/wire.ts';
import {
  type BoundSocket,
  everywhere,
  exactly,
  holdersOfSockets,
  type SocketHolder,
  socketsAt,
} from './port-holder.ts';
import type { Resolver, Resolvers } from './resolvers.ts';

const DNS_PORT = 53;
/** Looks until the processes are searched again for whoever holds a port. */
const AGAIN = 10;

/** The socket that answers as a resolver of this host: what tells it from others that say they do. */
export interface Holder extends SocketHolder {
  inode: string;
  uid: number;
}

/** Whose answers count in a network namespace of containers. */
export interface NamespaceResolver extends Resolver {
  namespace: number;
  /** Of a near one: undefined where it was not found, and then its answers count for nothing. */
  holder: Holder | undefined;
}

/** Keeps the kernel side's list of resolvers true to those of this host and of containers, and to who holds their ports. */
export class ResolverTable {
  readonly #map: BpfMap;
  readonly #resolvers: Resolvers;
  readonly #guarded: boolean;
  /** What is in the map, by key in hexadecimal. */
  readonly #written = new Map<string, { key: Buffer; value: string }>();
  #holders = new Map<string, Holder>();
  #sockets = '';
  #looks = 0;

  /** `guarded`: whether impostors of resolvers on this host are seen. */
  constructor(map: BpfMap, resolvers: Resolvers, guarded = true) {
    this.#map = map;
    this.#resolvers = resolvers;
    this.#guarded = guarded;
    this.look();
  }

  /** Resolvers of this host whose port nobody is seen to hold: their answers count for no verdict. */
  get unheld(): Resolver[] {
    return this.#resolvers.list.filter((each) => each.near && !this.#holders.has(textOf(each)));
  }

  /** Resolvers for which there was no room. */
  missing = 0;
  /** Those of containers. */
  #inside: readonly NamespaceResolver[] = [];

  /** To be called about once a second. */
  look(): void {
    this.#resolvers.refresh();
    this.#findHolders();
    this.#write();
  }

  /** From now on these count in the network namespaces of containers. */
  set inside(inside: readonly NamespaceResolver[]) {
    this.#inside = inside;
    this.#write();
  }

  #write(): void {
    const own = this.#resolvers.list.map((each) => ({
      ...each,
      namespace: 0,
      holder: this.#holders.get(textOf(each)),
    }));
    // Those of the host first, where there is too little room.
    const wanted = new Map(
      [...own, ...this.#inside].map((each) => {
        const key = keyOf(each);
        return [key.toString('hex'), { key, value: valueOf(each) }];
      }),
    );
    for (const [text, { key }] of this.#written) {
      if (wanted.has(text)) continue;
      this.#map.delete(key);
      this.#written.delete(text);
    }
    this.missing = 0;
    for (const [text, { key, value }] of wanted) {
      const bytes = value.toString('hex');
      if (this.#written.get(text)?.value === bytes) continue;
      try {
        this.#map.set(key, value);
        this.#written.set(text, { key, value: bytes });
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        this.missing += 1;
      }
    }
  }

  /** Who has a socket open takes a look at every process: only when other sockets are there than before. */
  #findHolders(): void {
    const near = this.#resolvers.list.filter((each) => each.near);
    const sockets = near.length === 0 || !this.#guarded ? [] : socketsAt(DNS_PORT);
    const now = [...near.map(textOf), ...sockets.map((each) => Object.values(each).join())].join(' ');
    this.#looks += 1;
    const found = near.every((each) => this.#holders.has(textOf(each)));
    if (now === this.#sockets && (found || sockets.length === 0 || this.#looks % AGAIN !== 0)) return;
    this.#sockets = now;
    const holders = holdersOfSockets(new Set(sockets.map(({ inode }) => inode)));
    this.#holders = new Map(
      near.flatMap((each) => {
        const holder = holderOf(each, sockets, holders, this.#holders.get(textOf(each)));
        return holder ? [[textOf(each), holder] as const] : [];
      }),
    );
  }
}

/**
 * The socket at just that address, else one at all addresses. Where several are, of different users or cgroups, it is
 * the one from before: somebody has put another one beside it.
 */
function holderOf(
  resolver: Resolver,
  sockets: readonly BoundSocket[],
  holders: ReadonlyMap<string, SocketHolder>,
  before: Holder | undefined,
): Holder | undefined {
  for (const addresses of [exactly(resolver.address), everywhere(resolver.address)]) {
    const found = sockets.flatMap(({ address, inode, uid }): Holder[] => {
      const holder = holders.get(inode);
      return addresses.includes(address) && holder ? [{ inode, uid, ...holder }] : [];
    });
    const [first] = found;
    if (first === undefined) continue;
    if (found.every(({ cgroup, uid }) => cgroup === first.cgroup && uid === first.uid)) return first;
    return found.find(({ inode }) => inode === before?.inode);
  }
  return undefined;
}

function textOf({ address: { family, value } }: Resolver): string {
  return `${family}/${value}`;
}

function keyOf({ address: { family, value }, namespace }: NamespaceResolver): Buffer {
  const key = Buffer.alloc(ResolverKey.size);
  const bytes = Buffer.from(value.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex');
  bytes.copy(key, ResolverKey.offset.address);
  key.writeUInt32LE(namespace, ResolverKey.offset.network_namespace);
  key.writeUInt32LE(family, ResolverKey.offset.family);
  return key;
}

function valueOf({ holder, near }: NamespaceResolver): Buffer {
  const value = Buffer.alloc(ResolverValue.size);
  value.writeUInt32LE(near ? 1 : 0, ResolverValue.offset.near);
  value.writeBigUInt64LE(holder?.cgroup ?? 0n, ResolverValue.offset.cgroup);
  value.writeUInt32LE(holder?.uid ?? 0, ResolverValue.offset.uid);
  value.writeUInt32LE(holder?.processUid ?? 0, ResolverValue.offset.process_uid);
  return value;
}
