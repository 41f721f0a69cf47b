import type { DuckDBValue } from '@duckdb/node-api';
import { SocketKind } from '../../bpf/wire.ts';
import type { Observation } from './observation.ts';

const KINDS = new Map<number, NonNullable<Observation['socket']>>(
  Object.entries(SocketKind).map(([name, kind]) => [kind, name as keyof typeof SocketKind]),
);

/**
 * Where an observation went, from the columns of its row; or which socket was opened, which has family 0
 * there.
 */
export function destinationOf(
  family: DuckDBValue,
  high: DuckDBValue,
  low: DuckDBValue,
  port: DuckDBValue,
  protocol: DuckDBValue,
): Pick<Observation, 'family' | 'address' | 'port' | 'protocol' | 'socket'> {
  if (family === 0) {
    const socket = KINDS.get(Number(port)) ?? 'other';
    return { family: 4, address: 0n, port: 0, protocol: 0, socket };
  }
  return {
    family: family === 4 ? 4 : 6,
    address: ((high as bigint) << 64n) | (low as bigint),
    port: Number(port),
    protocol: Number(protocol),
  };
}
