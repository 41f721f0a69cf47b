import type { Egress } from '../../../bpf/egress.ts';
import type { MappedRecords } from '../../../bpf/share.ts';
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

/** Connections of one user that were folded, with or without a destination. */
export interface FoldedEvents {
  uid: number;
  count: number;
  denied: boolean;
  excess: boolean;
  to: string;
}

/** Datagrams that were counted. Nanoseconds since boot. */
export interface Repeated extends Event {
  count: number;
  first: number;
  last: number;
}

const { offset } = Connection;

function eventOf(records: MappedRecords, at: number): Event {
  const { bytes, view } = records;
  const family = bytes[at + offset.family];
  return {
    to: family === 0 ? '' : formatAddress(decodeAddress(records, at)),
    protocol: view.getUint16(at + offset.protocol, true),
    port: view.getUint16(at + offset.port, true),
    pid: view.getUint32(at + offset.pid, true),
    uid: view.getUint32(at + offset.uid, true),
    operation: bytes[at + offset.operation]!,
    blocked: (bytes[at + offset.flags]! & ConnectionFlag.blocked) !== 0,
  };
}

function foldOf(key: Buffer, count: number): FoldedEvents {
  const bytes = new Uint8Array(key);
  const records = { bytes, view: new DataView(bytes.buffer), words: new Uint32Array(bytes.buffer) };
  const excess = bytes[0] === RecordKind.excess;
  return {
    uid: records.view.getUint32(offset.uid, true),
    count,
    denied: bytes[offset.verdict] === 1,
    excess,
    to: excess ? '' : formatAddress(decodeAddress(records, 0)),
  };
}

/** Reads both rings and all counts empty. */
export function takeAll(egress: Egress): { single: Event[]; repeated: Repeated[]; folds: FoldedEvents[] } {
  const single: Event[] = [];
  const repeated: Repeated[] = [];
  const folds: FoldedEvents[] = [];
  const drain = (): void => {
    for (const ring of [egress.connections, egress.denials])
      ring.drain((at) => {
        if (ring.bytes[at] === RecordKind.connection) single.push(eventOf(ring, at));
      });
  };
  egress.takeFolds(
    {
      folded: (key, { count }) => folds.push(foldOf(key, count)),
      repeated: (records, at, { count, first, last }) =>
        repeated.push({ ...eventOf(records, at), count, first: Number(first), last: Number(last) }),
      room: Number.POSITIVE_INFINITY,
    },
    drain,
  );
  drain();
  return { single, repeated, folds };
}

/** All that happened so far but what was folded; what was counted as often as it happened. */
export function takeEvents(egress: Egress): Event[] {
  const { repeated, single } = takeAll(egress);
  return [
    ...single,
    ...repeated.flatMap(({ count, first: _first, last: _last, ...event }) => copies(event, count)),
  ];
}

function copies(event: Event, count: number): Event[] {
  return Array.from({ length: count }, () => event);
}
