import { batchOf, openRecording, processRow, START } from './fixture.ts';

// A recorder for tests to kill: flushes 100 events, then appends 50 that are not flushed, says so and waits.
const { recording } = await openRecording(process.argv[2]!);
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
