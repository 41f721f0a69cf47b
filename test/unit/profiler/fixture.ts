import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { EventBatch } from '../../../profiler/event/batch.ts';
import type { Credential } from '../../../profiler/event/credential.ts';
import type { AncestorRow, ProcessRow } from '../../../profiler/event/dimension.ts';
import { Recording } from '../../../profiler/record/recording.ts';
import { liveStatus, type LiveStatus } from '../../../profiler/serve/live-status.ts';
import { openRecorder, type RecordStore, type RecordingInfo } from '../../../profiler/store/store.ts';
import { atEnd } from '../at-end.ts';

export const LEARN: RecordingInfo = {
  host: 'web1',
  kernel: '6.1.0',
  backend: 'lsm',
  command: 'learn',
  target: 'host',
};

/** Starts a recording as the product does, but for the process between the two halves. */
export async function startRecording(store: RecordStore, info: RecordingInfo): Promise<Recording> {
  const { writer, ...identity } = await store.startWriting(info);
  return new Recording(identity, writer);
}

/** A recorder that says what it records, without rings. */
export async function openRecording(path: string): Promise<{ store: RecordStore; recording: Recording }> {
  let recording: Recording | undefined;
  const status = async (): Promise<LiveStatus> => liveStatus(recording, { pending: 0, capacity: 0 });
  const store = await openRecorder(path, { status });
  recording = await startRecording(store, LEARN);
  return { store, recording };
}

/** 2026-11-21T00:00:00Z in microseconds. */
export const START = 1_795_219_200_000_000;
export const HOUR = 3_600_000_000;

/** Path of a database in a directory that the test's end removes; on a tmpfs of its own when options for it are given. */
export function databaseFor(t: TestContext, mountOptions?: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  const path = join(directory, 'state', 'bouheki.duckdb');
  atEnd(t, () => {
    if (mountOptions !== undefined) spawnSync('umount', [dirname(path)]);
    rmSync(directory, { recursive: true, force: true });
  });
  if (mountOptions !== undefined) {
    mkdirSync(dirname(path));
    spawnSync('mount', ['-t', 'tmpfs', '-o', `mode=0700,${mountOptions}`, 'bouheki-test', dirname(path)]);
  }
  return path;
}

/** Why a test cannot mount a file system of its own; false when it can. */
export function mountReason(): string | false {
  if (process.getuid?.() !== 0) return 'needs root to mount a small tmpfs';
  return spawnSync('mount', ['--version']).status === 0 ? false : 'needs mount(8)';
}

export function processRow(change: Partial<ProcessRow> = {}): ProcessRow {
  return {
    key: 1n,
    pid: 4711,
    parentPid: 1,
    exe: '/usr/bin/curl',
    device: 2049n,
    inode: 77n,
    script: '',
    arguments: 'curl http://10.0.0.1/',
    command: 'curl',
    parentCommand: 'sh',
    nodename: 'web1',
    mountNamespace: 0xf0000001,
    pidNamespace: 0xeffffffc,
    cgroupId: 3n,
    cgroupPath: '/user.slice',
    flags: 0,
    startedAt: START,
    ancestors: [ancestorRow('sh'), ancestorRow('sshd')],
    ...change,
  };
}

/** A process of Debian that was seen at exec. */
export function ancestorRow(command: string): AncestorRow {
  return { pid: 4000, startedAt: START, command, exe: `/usr/bin/${command}`, primed: false };
}

/** One event; what is not given is an allowed TCP connect of uid 1000 to 10.0.0.1:443 at `START`. */
export interface Event {
  time?: number;
  process?: number;
  command?: number;
  uid?: number;
  gid?: number;
  /** The real ones where they are not given. */
  euid?: number;
  fsuid?: number;
  egid?: number;
  fsgid?: number;
  /** 0 where a socket is opened, whose kind is the port. */
  family?: 0 | 4 | 6;
  high?: bigint;
  low?: bigint;
  port?: number;
  protocol?: number;
  operation?: number;
  verdict?: number;
  box?: number;
  /** The names of the address, which the recording numbers; to which subject they are known (see Known), and their age. */
  names?: readonly string[];
  known?: number;
  age?: number;
  /** How many equal ones it stands for, and microseconds from the first to the last of them. */
  count?: number;
  span?: number;
}

/** The ids of an event. */
export function credentialOf({ uid = 1000, gid = 1000, ...ids }: Event = {}): Credential {
  const { euid = uid, egid = gid } = ids;
  return { uid, euid, fsuid: ids.fsuid ?? euid, gid, egid, fsgid: ids.fsgid ?? egid };
}

function nameRow({ columns }: EventBatch, row: number, event: Event, recording?: Recording): void {
  columns.names[row] = recording?.nameSet(event.names ?? []) ?? 0;
  columns.known[row] = event.known ?? 0;
  columns.age[row] = event.age ?? 0;
}

function countRow(batch: EventBatch, row: number, { count = 1, span = 0 }: Event): void {
  batch.columns.count[row] = count;
  batch.columns.span[row] = span;
  batch.events += count;
}

/** Events as columns; the recording gives their credentials numbers, which are 1 without it. */
export function batchOf(events: readonly Event[], recording?: Recording): EventBatch {
  const batch = new EventBatch();
  const { columns } = batch;
  for (const event of events) {
    const row = batch.length++;
    columns.time[row] = BigInt(event.time ?? START);
    columns.process[row] = event.process ?? 1;
    columns.command[row] = event.command ?? 1;
    columns.credential[row] = recording?.credential(credentialOf(event)) ?? 1;
    columns.family[row] = event.family ?? 4;
    columns.addressHigh[row] = event.high ?? 0n;
    columns.addressLow[row] = event.low ?? 0x0a000001n;
    columns.port[row] = event.port ?? 443;
    columns.protocol[row] = event.protocol ?? 6;
    columns.operation[row] = event.operation ?? 0;
    columns.verdict[row] = event.verdict ?? 0;
    columns.box[row] = event.box ?? -1;
    nameRow(batch, row, event, recording);
    countRow(batch, row, event);
  }
  return batch;
}
