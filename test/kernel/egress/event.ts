import type { Egress } from '../../../bpf/egress.ts';
import { Connection, ConnectionFlag, RecordKind } from '../../../bpf/wire.ts';
import { formatAddress } from '../../../policy/value/address.ts';
import { decodeAddress } from '../../../profiler/event/decode.ts';
import type { Destination } from './vector.ts';

/** What a connection record says, as far as it can be compared with what the sniffer saw. */
export interface Event extends Destination {
  pid: number;
  uid: number;
  operation: number;
  blocked: boolean;
}

/** Reads both rings empty. */
export function takeEvents(egress: Egress): Event[] {
  const events: Event[] = [];
  const { offset } = Connection;
  for (const ring of [egress.connections, egress.denials]) {
    ring.drain((at) => {
      if (ring.bytes[at] !== RecordKind.connection) return;
      const family = ring.bytes[at + offset.family];
      events.push({
        to: family === 0 ? '' : formatAddress(decodeAddress(ring, at)),
        protocol: ring.view.getUint16(at + offset.protocol, true),
        port: ring.view.getUint16(at + offset.port, true),
        pid: ring.view.getUint32(at + offset.pid, true),
        uid: ring.view.getUint32(at + offset.uid, true),
        operation: ring.bytes[at + offset.operation]!,
        blocked: (ring.bytes[at + offset.flags]! & ConnectionFlag.blocked) !== 0,
      });
    });
  }
  return events;
}

/**
 * Reads and removes what was folded: how many connections of each user, with or without a destination, were allowed
 * and denied.
 */
export function takeFolds(
  egress: Egress,
): { uid: number; count: number; denied: boolean; excess: boolean; to: string }[] {
  const folds: ReturnType<typeof takeFolds> = [];
  const { offset } = Connection;
  egress.takeFolds(
    (key, { count }) => {
      const bytes = new Uint8Array(key);
      const records = { bytes, view: new DataView(bytes.buffer), words: new Uint32Array(bytes.buffer) };
      const excess = bytes[0] === RecordKind.excess;
      folds.push({
        uid: records.view.getUint32(offset.uid, true),
        count,
        denied: bytes[offset.verdict] === 1,
        excess,
        to: excess ? '' : formatAddress(decodeAddress(records, 0)),
      });
    },
    () => {},
  );
  return folds;
}
