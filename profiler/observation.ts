import type { SocketKind } from '../bpf/wire.ts';

/** Who connected, as the record tells it. Absent text is unknown. */
export interface Subject {
  command: string;
  /** Path of the executable as the host sees it. */
  exe?: string;
  /** Path of the script that an interpreter runs. */
  script?: string;
  uid: number;
  gid: number;
  inContainer: boolean;
  /** Container name. Absent where no runtime has told it: no rule that names a container holds for the id then. */
  container?: string;
  image?: string;
  /** systemd unit. */
  unit?: string;
  cgroup?: string;
}

/** Equal (subject, destination or kind of socket, verdict) events folded into one. */
export interface Observation {
  subject: Subject;
  family: 4 | 6;
  /** 32 or 128 bits, host order. */
  address: bigint;
  /** 0 where the protocol has none. */
  port: number;
  /** IANA protocol number. */
  protocol: number;
  /** A socket of this kind was opened: nothing was named, and family, address, port and protocol say nothing. */
  socket?: keyof typeof SocketKind;
  verdict: 'allow' | 'deny';
  /** Number of events. */
  count: number;
  /** Microseconds since the epoch. */
  first: number;
  last: number;
  /** Number of distinct clock hours (UTC) with at least one event. */
  hours: number;
}
