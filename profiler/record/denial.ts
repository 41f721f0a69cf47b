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
