import { batchOf, openRecording, processRow } from '../../profiler/fixture.ts';
import { recordUntilStopped } from '../../profiler/record-until-stopped.ts';

// A recorder of 10,000 connections a second to 256 addresses, until it is ended by a signal; then it says how many.
const opened = await openRecording(process.argv[2]!);
const { recording } = opened;
recording.process(processRow());
recording.command('curl');
recording.flush();
let made = 0;
recordUntilStopped(
  opened,
  { append: 50, commit: 900 },
  () => {
    const time = Date.now() * 1000;
    const batch = Array.from({ length: 500 }, (_, at) => ({ time, low: BigInt((made + at) % 256) }));
    made += batch.length;
    return batchOf(batch, recording);
  },
  () => process.stdout.write(`${made}\n`),
);
