/** Reads all observations of a database again and again, as generate does, and writes a dot for each time. */
import { openReader } from '../../../profiler/read.ts';

for (;;) {
  const reader = await openReader(process.argv[2]!);
  await reader.observations();
  await reader.activity();
  reader.close();
  process.stdout.write('.');
}
