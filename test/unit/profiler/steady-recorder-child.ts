import { statSync, writeSync } from 'node:fs';
import { StoreProcess } from '../../../profiler/store/store-process.ts';
import { batchOf, LEARN, processRow } from './fixture.ts';

// A recorder for tests to kill at any moment: appends all the time, flushes as a session does, and says when (in
// milliseconds) how many rows there were, and when it has committed last: each commit signs the lock.
const path = process.argv[2]!;
const store = await StoreProcess.open(path);
const recording = await store.startRecording(LEARN);
recording.process(processRow());
recording.command('curl');
const batch = batchOf(Array.from({ length: 500 }, (_, row) => ({ low: BigInt(row) })));
setInterval(() => recording.flush(), Number(process.argv[3]));
setInterval(() => {
  if (recording.room === 0) return;
  batch.columns.time.fill(BigInt(Date.now()) * 1000n);
  recording.append(batch);
  const committed = Math.floor(statSync(`${path}.lock`).mtimeMs);
  writeSync(1, `${Date.now()} ${recording.counters.events} ${committed}\n`);
}, 5);
