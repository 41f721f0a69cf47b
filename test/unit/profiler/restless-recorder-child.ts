import { openRecorder } from '../../../profiler/store/store.ts';
import { batchOf, LEARN, startRecording } from './fixture.ts';

// A recorder for tests to read: commits 1,000 rows at a time and makes a checkpoint after each commit, deletes what is
// old, and rolls something back, so that blocks of the file are used again and again.
const store = await openRecorder(process.argv[2]!);
const recording = await startRecording(store, LEARN);
const batch = batchOf(Array.from({ length: 1000 }, (_, row) => ({ low: BigInt(row) })));
process.stdout.write('recording\n');
for (let round = 1; ; round += 1) {
  recording.append(batch);
  recording.flush();
  await store.connection.run('CHECKPOINT');
  if (round % 100 === 0) await store.connection.run('DELETE FROM event');
  await store.connection.run('BEGIN');
  await store.connection.run('UPDATE event SET port = 1');
  await store.connection.run('ROLLBACK');
  await new Promise((resolve) => setTimeout(resolve, 20));
}
