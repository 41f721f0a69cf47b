import { COMM_SIZE, Connection, ConnectionFlag, NO_BOX } from '../../bpf/wire.ts';
import { decodeAddress, type Records, textAt } from '../event/decode.ts';
import type { ProcessImage } from '../identity/process-table.ts';

/** A connection that a policy denied or, in monitor mode, would have denied. */
export interface Denial {
  /** Undefined when the process record was lost. */
  image: ProcessImage | undefined;
  command: string;
  /** By the kernel side's word, also without a process record. */
  inContainer: boolean;
  /** 0 where it is not known. */
  pid: number;
  /** How many equal ones this stands for. */
  count: number;
  uid: number;
  /** What this host calls that user, where it is known. */
  user: string | undefined;
  /** What was named; undefined when a socket was opened that no destination can be judged by. */
  destination: { family: 4 | 6; value: bigint; port: number } | undefined;
  /** The best of the names that the destination was known by. */
  name?: string;
  /** SocketKind of wire.ts; undefined with a destination. */
  socket: number | undefined;
  protocol: number;
  /** The caller got EPERM; false in monitor mode. */
  blocked: boolean;
  /** Index into the boxes of the policy of `generation`; undefined when none matched. */
  box: number | undefined;
  /** Low 32 bits of the policy generation that judged. */
  generation: number;
}

/** Denials of which nothing is known but whose they are: too many, and too different to tell them apart. */
export interface ExcessDenials {
  /** The user of the host who answers for them, also for what is done in a user namespace of theirs. */
  uid: number;
  user: string | undefined;
  inContainer: boolean;
  /** As in Denial. */
  blocked: boolean;
  count: number;
}

/** What a record of a denied connection says by itself. */
export function decodeDenial(
  records: Records,
  at: number,
): Omit<Denial, 'image' | 'count' | 'user' | 'name'> {
  const { bytes, view } = records;
  const { offset } = Connection;
  const flags = bytes[at + offset.flags]!;
  const box = view.getUint32(at + offset.box, true);
  const port = view.getUint16(at + offset.port, true);
  return {
    command: textAt(records, at + offset.comm, COMM_SIZE),
    inContainer: (flags & ConnectionFlag.inContainer) !== 0,
    pid: view.getUint32(at + offset.pid, true),
    uid: view.getUint32(at + offset.uid, true),
    ...(bytes[at + offset.family] === 0
      ? { destination: undefined, socket: port }
      : { destination: { ...decodeAddress(records, at), port }, socket: undefined }),
    protocol: view.getUint16(at + offset.protocol, true),
    blocked: (flags & ConnectionFlag.blocked) !== 0,
    box: box === NO_BOX ? undefined : box,
    generation: view.getUint32(at + offset.generation, true),
  };
}
