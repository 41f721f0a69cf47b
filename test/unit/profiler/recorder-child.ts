import { openRecorder } from '../../../profiler/store/store.ts';
import { batchOf, LEARN, processRow, START } from './fixture.ts';

// A recorder for tests to kill: flushes 100 events, then appends 50 that are not flushed, says so and waits.
const store = await openRecorder(process.argv[2]!);
const recording = await store.startRecording(LEARN);
recording.process(processRow());
recording.command('curl');
recording.append(
  batchOf(
    Array.from({ length: 100 }, (_, row) => ({ time: START + row })),
    recording,
  ),
);
recording.flush();
recording.append(
  batchOf(
    Array.from({ length: 50 }, (_, row) => ({ time: START + 1000 + row })),
    recording,
  ),
);
process.stdout.write('recording\n');
setInterval(() => undefined, 60_000);
