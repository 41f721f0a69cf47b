import { Verdict } from '../../../../profiler/event/batch.ts';
import { batchOf, openRecording, processRow } from '../../profiler/fixture.ts';
import { recordUntilStopped } from '../../profiler/record-until-stopped.ts';
import { HOSTILE } from '../page/hostile-record.ts';

// A recorder of programs with hostile names, one connection of each a fifth of a second, until it is ended by a signal.
const opened = await openRecording(process.argv[2]!);
const { recording } = opened;
recording.process(processRow());
recording.command('curl');
for (const [index, exe] of HOSTILE.entries()) {
  recording.process(processRow({ key: BigInt(index + 2), exe, pid: 200 + index }));
  recording.command(exe.slice(-15));
}
recording.flush();
recordUntilStopped(opened, { append: 200, commit: 500 }, () => {
  const time = Date.now() * 1000;
  const of = HOSTILE.map((_, index) => ({
    time,
    process: index + 2,
    command: index + 2,
    verdict: [Verdict.deny, Verdict.noted][index] ?? Verdict.allow,
  }));
  return batchOf(of, recording);
});
