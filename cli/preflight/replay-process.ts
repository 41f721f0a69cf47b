/** The process that replays the record for a pre-flight: see `replayWithin`, which starts and ends it. */
import { writeFileSync } from 'node:fs';
import { describeFailure } from '../../profiler/serve/protocol.ts';
import { replay, type ReplayOrder } from './replay.ts';

// An exit in order waits for DuckDB, which may be at a long statement.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

// Of all processes the kernel is to end this one first where memory runs out.
writeFileSync('/proc/self/oom_score_adj', '1000');

process.once('message', (order: ReplayOrder) => {
  void replay(order)
    .then((done) => ({ done }))
    .catch((error: unknown) => ({ failure: describeFailure(error) }))
    .then((answer) => process.send!(answer));
});
