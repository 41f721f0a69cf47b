import type { ProcessImage } from './process-table.ts';

/** A connection that a policy denied or, in monitor mode, would have denied. */
export interface Denial {
  /** Undefined when the process record was lost. */
  image: ProcessImage | undefined;
  command: string;
  pid: number;
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
