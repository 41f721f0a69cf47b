import { batchOf, openRecording, processRow } from '../../profiler/fixture.ts';

// A recorder of 10,000 connections a second to 256 addresses, until it is ended by a signal; then it says how many.
const { recording, store } = await openRecording(process.argv[2]!);
recording.process(processRow());
recording.command('curl');
recording.flush();
let made = 0;
const events = setInterval(() => {
  const time = Date.now() * 1000;
  const batch = Array.from({ length: 500 }, (_, at) => ({ time, low: BigInt((made + at) % 256) }));
  recording.append(batchOf(batch, recording));
  made += batch.length;
}, 50);
const commits = setInterval(() => recording.flush(), 900);
process.once('SIGTERM', async () => {
  clearInterval(events);
  clearInterval(commits);
  await recording.end('complete');
  await store.stopServing();
  store.close();
  process.stdout.write(`${made}\n`);
});
process.stdout.write('recording\n');
