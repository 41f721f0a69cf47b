import { Verdict } from '../../../../profiler/event/batch.ts';
import { batchOf, openRecording, processRow } from '../../profiler/fixture.ts';
import { HOSTILE } from '../page/hostile-record.ts';

// A recorder of programs with hostile names, one connection of each a fifth of a second, until it is ended by a signal.
const { recording, store } = await openRecording(process.argv[2]!);
recording.process(processRow());
recording.command('curl');
for (const [index, exe] of HOSTILE.entries()) {
  recording.process(processRow({ key: BigInt(index + 2), exe, pid: 200 + index }));
  recording.command(exe.slice(-15));
}
recording.flush();
const events = setInterval(() => {
  const time = Date.now() * 1000;
  const of = HOSTILE.map((_, index) => ({
    time,
    process: index + 2,
    command: index + 2,
    verdict: index === 0 ? Verdict.deny : Verdict.allow,
  }));
  recording.append(batchOf(of, recording));
}, 200);
const commits = setInterval(() => recording.flush(), 500);
process.once('SIGTERM', async () => {
  clearInterval(events);
  clearInterval(commits);
  await recording.end('complete');
  await store.stopServing();
  store.close();
});
process.stdout.write('recording\n');
