import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openRecorder, type RecordingInfo } from '../../../profiler/store/store.ts';
import type { Recording } from '../../../profiler/record/recording.ts';
import type { CommandName } from './command.ts';
import { batchOf, type Event, LEARN, processRow, startRecording } from '../profiler/fixture.ts';

/** The first row of a file to import. */
export const FLOW_HEADER = 'ts,host,pid,comm,exe,uid,gid,container,image,addr,port,protocol,count';
/** Three connections of two hosts, with all that a cell may hold. */
export const FLOW_ROWS = `${FLOW_HEADER}
2026-11-20T10:00:00Z,web1,4711,curl,/usr/bin/curl,1000,1000,,,10.0.0.1,443,tcp,5
2026-11-20T11:30:00.25+01:00,web1,,curl,/usr/bin/curl,1000,1000,,,10.0.0.1,443,TCP,
1795168800.5,db1,7,"odd, ""name""",,0,0,proxy,nginx:1,2001:db8::1,53,17,2
`;

/** A directory that the test's end removes. */
export function directoryFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Makes a database in `directory` with one recording of curl; `fill` may add more to it. */
export async function record(
  directory: string,
  events: readonly Event[],
  info: Partial<RecordingInfo> = {},
  fill: (recording: Recording) => void = () => undefined,
): Promise<string> {
  const path = join(directory, 'bouheki.duckdb');
  const store = await openRecorder(path);
  const recording = await startRecording(store, { ...LEARN, ...info });
  recording.process(processRow());
  recording.command('curl');
  fill(recording);
  recording.append(batchOf(events, recording));
  await recording.end('complete');
  store.close();
  return path;
}

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

const COMMAND = join(import.meta.dirname, '../../../test-bundle/command.js');

/** Runs one command in a process of its own, as the entry point would. Errors end with 2 and print code and message. */
export function runCommand(name: CommandName, ...args: string[]): Outcome {
  const { status, stderr, stdout } = spawnSync(process.execPath, [COMMAND, name, ...args], {
    encoding: 'utf8',
    env: { ...process.env, BOUHEKI_DB: '/nonexistent/bouheki.duckdb' },
  });
  return { status, stderr, stdout };
}
