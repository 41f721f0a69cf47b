import type { EventBatch } from '../../../profiler/event/batch.ts';
import type { openRecording } from './fixture.ts';

/** When to append and to commit, milliseconds. */
interface Pace {
  append: number;
  commit: number;
}

/**
 * Says on standard output that it records, appends what `next` makes and commits until SIGTERM, and then ends in order
 * and calls `ended`.
 */
export function recordUntilStopped(
  { recording, store }: Awaited<ReturnType<typeof openRecording>>,
  pace: Pace,
  next: () => EventBatch,
  ended: () => void = () => {},
): void {
  const events = setInterval(() => recording.append(next()), pace.append);
  const commits = setInterval(() => recording.flush(), pace.commit);
  process.once('SIGTERM', async () => {
    clearInterval(events);
    clearInterval(commits);
    await recording.end('complete');
    await store.stopServing();
    store.close();
    ended();
  });
  process.stdout.write('recording\n');
}
