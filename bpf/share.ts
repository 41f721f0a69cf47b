import type { BpfMap } from './map.ts';
import { Connection, Fold, Knobs, ShareKind } from './wire.ts';

/** Bytes; powers of two. */
export interface RingSizes {
  connections: number;
  denials: number;
}

export const DEFAULT_RINGS: RingSizes = { connections: 32 << 20, denials: 16 << 20 };

/** Part of the ring of connections from which on it is shared out. */
const CROWDED = 3 / 4;

/** Bytes: a process with its first connections. */
const SMALLEST_SHARE = 4096;

/**
 * What one user may use at once, in bytes (of cgroups: in number), and in how many seconds as much comes
 * again. Of the ring of denials this bounds what the record and the log grow by as well.
 */
function sharesOf({ connections, denials }: RingSizes): Record<keyof typeof ShareKind, [number, number]> {
  return {
    denials: [Math.max(denials / 8, SMALLEST_SHARE), 16],
    connections: [Math.max(connections / 16, SMALLEST_SHARE), 1],
    cgroups: [1024, 16],
  };
}

/** Equal connections that were folded. Times in nanoseconds since boot. */
export interface Folded {
  count: number;
  first: bigint;
  last: bigint;
}

/** Is given the key of a fold, which is a struct connection at offset 0. */
export type FoldVisitor = (key: Buffer, folded: Folded) => void;

/** The host's namespaces by their numbers. */
export interface HostNamespaces {
  mount: number;
  network: number;
}

/** The knobs of wire.h. `second`: whether there is to be a second judge. */
export function knobBytes({ mount, network }: HostNamespaces, rings: RingSizes, second: boolean): Buffer {
  const knobs = Buffer.alloc(Knobs.size);
  const { offset } = Knobs;
  knobs.writeUInt32LE(mount, offset.host_mount_namespace);
  knobs.writeUInt32LE(network, offset.host_network_namespace);
  knobs.writeUInt32LE(second ? 1 : 0, offset.second_judge);
  knobs.writeBigUInt64LE(BigInt(Math.floor(rings.connections * CROWDED)), offset.crowded);
  const shares = sharesOf(rings);
  for (const [name, kind] of Object.entries(ShareKind)) {
    const [burst, seconds] = shares[name as keyof typeof ShareKind];
    const cost = Math.floor((seconds * 1e9) / burst);
    knobs.writeBigUInt64LE(BigInt(cost), offset.cost + 8 * kind);
    knobs.writeBigUInt64LE(BigInt(cost * burst), offset.burst + 8 * kind);
  }
  return knobs;
}

/** Reads and removes the folds of every epoch but this one, to which no hook adds any more. */
export function takeFoldsBefore(epoch: number, folds: BpfMap, visit: FoldVisitor): void {
  for (const key of folds.keys()) {
    if (key.readUInt32LE(Connection.offset.time) === epoch) continue;
    const value = Buffer.from(folds.get(key) ?? Buffer.alloc(Fold.size));
    folds.delete(key);
    visit(key, {
      count: Number(value.readBigUInt64LE(Fold.offset.count)),
      first: value.readBigUInt64LE(Fold.offset.first),
      last: value.readBigUInt64LE(Fold.offset.last),
    });
  }
}
