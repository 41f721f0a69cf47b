/** Reads the history of a database again and again, as generate does, and writes a dot for each time. */
import { openReader } from '../../../profiler/read/read.ts';

for (;;) {
  const reader = await openReader(process.argv[2]!);
  await reader.history();
  reader.close();
  process.stdout.write('.');
}
