import type { HOURLY, Values } from './columns.ts';

/** A process that started another one, directly or not. Absent members and empty text are unknown. */
export interface AncestorRow {
  pid?: number;
  /** Microseconds since the epoch; 10 ms too early at the most when `primed`. */
  startedAt?: number;
  command: string;
  exe?: string;
  /** What it ran was read from /proc when recording began. */
  primed?: boolean;
}

/**
 * A process image that made a connection: reported once, named by every event of it. Empty text is unknown.
 */
export interface ProcessRow {
  /** Unique among the process images of a recording. */
  key: bigint;
  pid: number;
  parentPid: number;
  /** Path of the executable as the host sees it. */
  exe: string;
  device: bigint;
  inode: bigint;
  /** Path of the script that an interpreter runs. */
  script: string;
  /** The command line, spaces between the arguments. */
  arguments: string;
  command: string;
  parentCommand: string;
  /** Host name in the process's own uts namespace. */
  nodename: string;
  mountNamespace: number;
  pidNamespace: number;
  cgroupId: bigint;
  cgroupPath: string;
  /** Row id that `Recording.container` gave; undefined when the process is in no container. */
  containerId?: number;
  /** systemd unit. */
  unit?: string;
  flags: number;
  /** Microseconds since the epoch. */
  startedAt: number;
  /** The nearest first; undefined: not known. See "Ancestors" in docs/identity.md. */
  ancestors: readonly AncestorRow[] | undefined;
}

/** A container as its runtime reports it. Empty text is not known (yet). */
export interface ContainerRow {
  runtime: string;
  /** The full id. */
  id: string;
  name: string;
  image: string;
  imageId: string;
  digest?: string;
  labels?: Readonly<Record<string, string>>;
  pod?: string;
  /** Of Kubernetes. */
  namespace?: string;
  /** Row id of the container of this host that holds it. */
  parent?: number;
}

/** A box of the policy in force, so that an event's box number can be named. */
export interface BoxRow {
  name: string;
  action: 'allow' | 'deny';
}

/** Equal events that the kernel side has counted instead of telling each. */
export interface FoldedRow extends Omit<Values<typeof HOURLY>, 'count' | 'first' | 'last'> {
  count: number;
  /** Microseconds since the epoch. */
  first: number;
  last: number;
}

/** What a resolver answered to a process, about one address. */
export interface AnswerRow {
  /** Row id that `Recording.process` gave; 0 where it is not known. */
  process: number;
  resolver: { family: 4 | 6; value: bigint };
  /** The name that was asked for. */
  question: string;
  /** The names that it led to, in their order. */
  chain: readonly string[];
  /** 0, with address 0, where the answer had none. */
  family: 0 | 4 | 6;
  address: bigint;
  /** Seconds. */
  ttl: number;
  /** Microseconds since the epoch. */
  time: number;
  /** It counts for verdicts in the host's network. */
  counts: boolean;
}

/**
 * What can go missing: events in the ring or in the denials' own ring, entries of a full map, process events;
 * allowed and denied events of a user that were too many and too different to be told apart, in `share` and
 * `denial-share`; events that were taken out because the record was too large, in `size`; answers of resolvers
 * that were lost or could not be read, in `answer`, and names for which the kernel side had no room, in `name`, which
 * are no events; and programs that the kernel did not
 * run because they ran there already, in `skipped`: most often an attempt that was not judged.
 */
export const LOSS_KINDS = [
  'ring',
  'denial-ring',
  'map',
  'process',
  'share',
  'denial-share',
  'size',
  'answer',
  'name',
  'skipped',
] as const;
export type LossKind = (typeof LOSS_KINDS)[number];

/** Losses of events: without them more was connected to than the record says. */
export function isEventLoss({ kind }: { kind: LossKind }): boolean {
  return kind !== 'answer' && kind !== 'name';
}
