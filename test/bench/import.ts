/**
 * What `bouheki import` takes for a CSV file, into an empty record and into one that has as much of the same time:
 * `npm run bench:import -- [--rows N] [--destinations N] [--subjects N]`. Processor time, since other programs may run.
 */
import { createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { importFiles } from '../../profiler/import/import.ts';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    destinations: { type: 'string', default: '100000' },
    subjects: { type: 'string', default: '1000' },
  },
});
const [rows, destinations, subjects] = [values.rows, values.destinations, values.subjects].map(Number) as [
  number,
  number,
  number,
];

/** `late`: seconds by which each row is later. */
function* csv(late: number): Generator<string> {
  yield 'ts,host,pid,comm,exe,uid,gid,addr,port,protocol\n';
  for (let row = 0; row < rows; row += 1) {
    const subject = row % subjects;
    const to = row % destinations;
    const address = `10.${to >> 16}.${(to >> 8) & 255}.${to & 255}`;
    yield `${1_795_168_800 + late + row / 100},web1,${1000 + subject},app${subject},/usr/bin/app${subject},1000,1000,${address},443,tcp\n`;
  }
}

/** Says what importing a file takes. */
async function measure(what: string, file: string): Promise<void> {
  const began = performance.now();
  const used = process.cpuUsage();
  const done = await importFiles([file], {
    db: join(directory, 'bouheki.duckdb'),
    format: 'csv',
    skipBad: false,
    again: false,
  }).then(
    (result) => `${result.rows} rows`,
    (error: Error) => error.message.replace(directory, ''),
  );
  const { system, user } = process.cpuUsage(used);
  const memory = Math.round(process.memoryUsage.rss() / 1e6);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(
    `${what}: ${((user + system) / 1e6).toFixed(1)} s of CPU in ${seconds} s, ${memory} MB of memory: ${done}`,
  );
}

const directory = mkdtempSync(join(tmpdir(), 'bouheki-bench-'));
try {
  const files = await Promise.all(
    [0, 0.001].map(async (late) => {
      const file = join(directory, `flows-${late}.csv`);
      await pipeline(Readable.from(csv(late)), createWriteStream(file));
      return file;
    }),
  );
  console.log(`${rows} rows, ${(statSync(files[0]!).size / 1e6).toFixed(1)} MB`);
  await measure('into an empty record', files[0]!);
  await measure('beside other rows of that time', files[1]!);
  await measure('the same file again', files[0]!);
} finally {
  rmSync(directory, { recursive: true });
}
