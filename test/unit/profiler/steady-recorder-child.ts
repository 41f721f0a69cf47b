import { writeSync } from 'node:fs';
import { openRecorder } from '../../../profiler/store.ts';
import { batchOf, LEARN, processRow } from './fixture.ts';

// A recorder for tests to kill at any moment: appends all the time and says after each flush how much is safe.
const store = await openRecorder(process.argv[2]!);
const recording = await store.startRecording(LEARN);
recording.process(processRow());
recording.command('curl');
const batch = batchOf(Array.from({ length: 500 }, (_, row) => ({ low: BigInt(row) })));
for (let round = 1; ; round++) {
  recording.append(batch);
  if (round % 7 > 0) continue;
  recording.flush();
  writeSync(1, `${recording.counters.events}\n`);
  await new Promise((resolve) => setTimeout(resolve, 5));
}
