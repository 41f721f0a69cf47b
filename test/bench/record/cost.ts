import { DuckDBInstance } from '@duckdb/node-api';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection, RecordKind } from '../../../bpf/wire.ts';
import { AccountNames } from '../../../profiler/identity/account.ts';
import { ContainerNames } from '../../../profiler/identity/container.ts';
import { CredentialTable } from '../../../profiler/identity/credential-table.ts';
import { ProcessTable } from '../../../profiler/identity/process-table.ts';
import { Recorder } from '../../../profiler/record/recorder.ts';
import { Recording } from '../../../profiler/record/recording.ts';
import { discarding } from '../../../profiler/event/sink.ts';
import { openRecorder } from '../../../profiler/store/store.ts';
import type { Flooder } from './flooder.ts';

/** Nanoseconds an event, for each part of the way. */
export interface Costs {
  walk: number;
  decode: number;
  append: number;
  rowAppender: number;
}

const ROUNDS = 10;
/** Records of one round: what the ring holds, with some room left. */
const RECORDS = 120_000;

/**
 * What each part costs, from full rings: walking over the records; that and decoding; that and appending to a database,
 * commits included; and, instead of ours, DuckDB's appender row by row.
 */
export async function measureCosts(flooder: Flooder): Promise<Costs> {
  const walk = await timed(flooder, () => {
    flooder.connections.drain(() => {});
    flooder.denials.drain(() => {});
  });
  const nowhere = discarding();
  const names = new ContainerNames([]);
  const accounts = new AccountNames();
  const processes = new ProcessTable(nowhere, names);
  const decoder = new Recorder(flooder, nowhere, processes, new CredentialTable(nowhere, accounts));
  const decode = await timed(flooder, () => decoder.drain());
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-bench-'));
  try {
    const store = await openRecorder(join(directory, 'chunks.duckdb'));
    const { writer, ...identity } = await store.startWriting({
      host: 'bench',
      kernel: '',
      backend: 'cgroup',
      command: 'learn',
      target: 'host',
    });
    const recording = new Recording(identity, writer);
    const processes = new ProcessTable(recording, names);
    const recorder = new Recorder(flooder, recording, processes, new CredentialTable(recording, accounts));
    const whole = await timed(flooder, () => {
      recorder.drain();
      recorder.flush();
    });
    await recording.end('complete');
    await store.stopServing();
    store.close();
    const rowAppender = await timedRows(flooder, join(directory, 'rows.duckdb'));
    return { walk, decode: decode - walk, append: whole - decode, rowAppender: rowAppender - walk };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The best of several rounds: this machine may be busy with other things. */
async function timed(flooder: Flooder, work: () => void): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = flooder.state.counters().produced;
    await flooder.flood(RECORDS * 100, 0.01);
    const began = performance.now();
    work();
    const records = flooder.state.counters().produced - before;
    best = Math.min(best, ((performance.now() - began) * 1e6) / records);
  }
  return best;
}

/** The baseline: the same columns through appendValue, a row at a time. */
async function timedRows(flooder: Flooder, path: string): Promise<number> {
  const instance = await DuckDBInstance.create(path, { threads: '2', memory_limit: '256MB' });
  const connection = await instance.connect();
  await connection.run(`CREATE TABLE event (
    recording INTEGER, time BIGINT, process INTEGER, command INTEGER, credential INTEGER,
    family UTINYINT, address_high UBIGINT, address_low UBIGINT, port USMALLINT, protocol USMALLINT,
    operation UTINYINT, verdict UTINYINT, box INTEGER)`);
  const appender = await connection.createAppender('event');
  const { offset } = Connection;
  const cost = await timed(flooder, () => {
    for (const ring of [flooder.connections, flooder.denials]) {
      const { bytes, view } = ring;
      ring.drain((at) => {
        if (bytes[at] !== RecordKind.connection) return;
        appender.appendInteger(1);
        appender.appendBigInt(view.getBigUint64(at + offset.time, true) / 1000n);
        appender.appendInteger(1);
        appender.appendInteger(1);
        appender.appendInteger(1);
        appender.appendUTinyInt(bytes[at + offset.family]!);
        appender.appendUBigInt(0n);
        appender.appendUBigInt(BigInt(view.getUint32(at + offset.address)));
        appender.appendUSmallInt(view.getUint16(at + offset.port, true));
        appender.appendUSmallInt(view.getUint16(at + offset.protocol, true));
        appender.appendUTinyInt(bytes[at + offset.operation]!);
        appender.appendUTinyInt(bytes[at + offset.verdict]!);
        appender.appendInteger(-1);
        appender.endRow();
      });
    }
    appender.flushSync();
  });
  appender.closeSync();
  connection.closeSync();
  instance.closeSync();
  return cost;
}
