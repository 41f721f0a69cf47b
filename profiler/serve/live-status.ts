import { getHeapStatistics } from 'node:v8';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { memoryLimit, oomScoreAdjust } from '../../host/oom-score.ts';
import type { LossKind } from '../event/dimension.ts';
import type { DatabaseSize } from './database-size.ts';
import { noCounters, type Recording } from '../record/recording.ts';

/** How the kernel is watched. */
export interface Watch {
  backend: 'lsm' | 'fmod_ret' | 'cgroup';
  /** The cgroup that alone is watched, and what happens there unseen. */
  cgroup?: string;
  unseen?: string;
  /** Why the kernel does not ask the programs at present; absent when it does. */
  unasked?: string;
  /** Packets that the backstop has dropped, where there is one. */
  stoppedPackets?: number;
  /**
   * Whether a second judge is attached, where the kernel can leave out the first; absent where it cannot, or nothing is
   * blocked.
   */
  secondJudge?: boolean;
  /**
   * Cgroups that users have made and that could not be told apart, at the least; absent when there are none.
   */
  unlistedCgroups?: number;
}

/** What is known of names for verdicts, and the answers that did not count since the start, by the reason. */
export interface NameStatus {
  /** Addresses that are known by a name of the policy in force, and how many there can be. */
  known: number;
  room: number;
  /** Names and wildcards of the policy. */
  patterns: number;
  /** Without a query of that socket. */
  unasked: number;
  /** In other network namespaces than the host's, from what is no resolver there. */
  foreign: number;
  /** From what is no resolver. */
  unlisted: number;
  /** By the loopback device from a resolver elsewhere, or the other way round. */
  strayed: number;
  /** While somebody else spoke as the resolver. */
  doubted: number;
  /** Packets of somebody who spoke as a resolver of this host. */
  impostors: number;
  /** Names of addresses for which there was no room, so that nothing is allowed by them. */
  withoutRoom: number;
}

/** What bounds the memory of a recorder. Bytes. */
export interface MemoryBounds {
  /** What its own objects take, and what they can take at most before it ends. */
  heap: number;
  heapLimit: number;
  /** What its cgroups allow all their processes; absent without such a limit. */
  cgroupLimit?: number;
  /** When the kernel ends it for want of memory: -1000 never, 0 like any other process. */
  oomScoreAdjust: number;
}

/** What a recorder could not write for people, because there was no reader or the disk was full. */
export interface OutputLoss {
  /** Messages on standard error. */
  messages: number;
  /**
   * Lines of the log of denied connections, where there is one, and bytes of it that may still be written.
   */
  lines?: number;
  waiting?: number;
}

/** How a policy that is counted and not in force differs from the one that is. Numbers are events. */
export interface ShadowStatus {
  file: string;
  /** As of the policy in force. */
  policyHash: string;
  /** From when on it is counted, microseconds since the epoch. */
  since: number;
  /** Judged by both. */
  judged: number;
  /** Of these: allowed, and the candidate would deny it. */
  denies: number;
  /** Denied, or to be denied in monitor mode, and the candidate would allow it. */
  allows: number;
  /** Of processes that are not known, so that the candidate can't judge it. */
  unknown: number;
  /** Those that differ most, the first first. */
  subjects: { subject: string; denies: number; allows: number }[];
}

/** What a policy in force has done so far, since the recording started. */
export interface EnforcementStatus {
  /** Whether others can't undo it without a key. */
  guarded?: true;
  mode: 'monitor' | 'block';
  /** The mode entries of the policy, where it has some: `mode` holds for everybody else. */
  modes?: { name: string; mode: 'monitor' | 'block' }[];
  /** What names the policy in log and record: the first 12 digits of the SHA-256 of its text. */
  policyHash: string;
  /** How many times a policy was put in force. */
  generation: number;
  /** When this one was, microseconds since the epoch, and whether the file could not be read again since. */
  loadedAt: number;
  reloadFailed: boolean;
  /** When it goes out of force unless it is confirmed, microseconds since the epoch; absent where it need not be. */
  confirmBy?: number;
  /** Who is exempt until then, where that is a pause: then it goes back to the policy as it was. */
  pauses?: string;
  /** The rules that end by themselves, the first to end first, in microseconds since the epoch; absent: none. */
  ends?: { rule: string; until: number }[];
  /** Subjects that the breaker has opened: they are only monitored; absent: none. */
  opened?: string[];
  /** The candidate that is counted beside it; absent: none. */
  shadow?: ShadowStatus;
  /** Attempts that were denied, and that would have been in block mode. */
  denied: number;
  wouldBeDenied: number;
}

/** How a host that has joined a fleet stands with it, as its agent says every few seconds. */
export interface FleetStatus {
  /** Whether a hub has answered on the stream that is open; false while no agent runs. */
  connected: boolean;
  /** The hub that is spoken to, or tried; empty: none yet. */
  hub: string;
  /** What was recorded until then a hub has, microseconds since the epoch; 0: nothing yet. */
  acknowledged: number;
  /** Rows that wait to be sent. */
  unsentRows: number;
  /** When the certificate of this host ends, microseconds since the epoch; 0: not known yet. */
  certificateEnds: number;
  /** The policy of the fleet that is in force; absent: none is. */
  policy?: { workload: string; revision: number; mode: string; stale: boolean };
}

/** Subjects by how well they are known. */
export type SubjectStates = Record<'stable' | 'stabilizing' | 'learning', number>;

/** What a running recorder reports about itself. */
export interface LiveStatus {
  pid: number;
  /** Of bouheki. */
  version?: string;
  /** Id of the recording that is being written; absent before it starts and after it has failed. */
  recording?: number;
  /** Microseconds since the epoch. */
  startedAt: number;
  /** Microseconds for which the recording has run, whatever was made of the clock meanwhile. */
  passed?: number;
  /** Since the recording started. */
  events: number;
  /** Of these events: UDP connects, which send nothing, and openings of sockets without a destination. */
  intents: number;
  sockets: number;
  processes: number;
  containers: number;
  lost: Record<LossKind, number>;
  /** Events a second, over the last full second and over the last minute (or less, when it is younger). */
  rate: number;
  rateMinute: number;
  /** Absent before the programs are attached. */
  watch?: Watch;
  /** Absent where no answers are read. */
  names?: NameStatus;
  /** Absent for a recorder that has no such output. */
  output?: OutputLoss;
  /** Bytes that wait in the kernel's rings, and how many fit. */
  pending: number;
  capacity: number;
  /** Resident memory of the recorder, bytes. */
  memory: number;
  bounds?: MemoryBounds;
  database?: DatabaseSize;
  /** Absent where nothing is enforced. */
  enforcement?: EnforcementStatus;
  /** Absent for a host that has not joined a fleet. */
  fleet?: FleetStatus;
  /** At the last look of `learn --until stable`, or for metrics; absent where nobody looks. */
  subjects?: SubjectStates;
}

/** What is asked of the owner of the kernel side. */
export type KernelSide = Pick<
  LiveStatus,
  | 'pending'
  | 'capacity'
  | 'watch'
  | 'names'
  | 'output'
  | 'version'
  | 'database'
  | 'enforcement'
  | 'fleet'
  | 'subjects'
>;

/** The status of this process, which writes `recording` when there is one. */
export function liveStatus(recording: Recording | undefined, kernel: KernelSide): LiveStatus {
  return {
    pid: process.pid,
    ...(recording?.open === true && { recording: recording.id }),
    startedAt: recording?.startedAt ?? 0,
    ...(recording && { passed: Math.round(recording.passed) }),
    ...(recording?.counters ?? noCounters()),
    rate: recording?.rate.last ?? 0,
    rateMinute: recording?.rate.minute ?? 0,
    ...kernel,
    memory: process.memoryUsage.rss(),
    bounds: memoryBounds(),
  };
}

function memoryBounds(): MemoryBounds {
  const { used_heap_size: heap, heap_size_limit: heapLimit } = getHeapStatistics();
  const cgroupLimit = memoryLimit(cgroupRoot());
  return {
    heap,
    heapLimit,
    ...(cgroupLimit !== undefined && { cgroupLimit }),
    oomScoreAdjust: oomScoreAdjust(),
  };
}
