/** The process that answers one `bouheki query`: see QueryProcess, which starts it within limits. */
import { writeFileSync } from 'node:fs';
import { unwritten } from '../../error/unwritten.ts';
import { describeFailure } from '../../profiler/serve/protocol.ts';
import { openReader } from '../../profiler/read/read.ts';
import { asJson, asTable } from '../report/query-text.ts';
import { viewOf } from '../terminal/view.ts';
import type { QueryForm } from './query-limits.ts';

const [db, form, sql] = process.argv.slice(2) as [string, QueryForm, string];

/** Whether the parent process has received how it ended. */
let answered = false;
// The parent process is gone, or needs no more of the answer.
process.on('disconnect', () => {
  if (answered) process.exit();
  // An exit in order waits for DuckDB, which may be at a statement that has no end.
  process.kill(process.pid, 'SIGKILL');
});
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  process.send!({ failure: describeFailure(unwritten(error)) }, finish);
});

// Of all processes the kernel is to end this one first where memory runs out.
writeFileSync('/proc/self/oom_score_adj', '1000');

async function answer(): Promise<void> {
  const reader = await openReader(db, 'query');
  try {
    const result = await reader.query(sql);
    const text =
      form === 'json' ? asJson(result) : asTable(result, viewOf(process.stdout, form === 'wide table'));
    process.send!({ answered: true });
    process.stdout.write(text, (error) => {
      if (!error) finish();
    });
  } finally {
    reader.close();
  }
}

function finish(): void {
  answered = true;
  process.disconnect();
}

try {
  await answer();
} catch (error) {
  process.send!({ failure: describeFailure(error) }, finish);
}
