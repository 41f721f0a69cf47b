import { socketKindOf } from '../event/socket-kind.ts';
import type { Observation } from './observation.ts';

/**
 * Where an observation went, from the columns of its row; or which socket was opened, which has family 0
 * there.
 */
export function destinationOf(
  family: number,
  addressOf: (family: 4 | 6, row: number) => bigint,
  row: number,
  port: number,
  protocol: number,
): Pick<Observation, 'family' | 'address' | 'port' | 'protocol' | 'socket'> {
  if (family === 0) {
    const socket = socketKindOf(port);
    return { family: 4, address: 0n, port: 0, protocol: 0, socket };
  }
  const known = family === 4 ? 4 : 6;
  return { family: known, address: addressOf(known, row), port, protocol };
}
