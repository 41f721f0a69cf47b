/** How long `bouheki import` takes for a CSV file: `npm run bench:import -- [--rows N] [--destinations N] [--subjects N]`. */
import { createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { importFile } from '../../profiler/import/import.ts';

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

function* csv(): Generator<string> {
  yield 'ts,host,pid,comm,exe,uid,gid,addr,port,protocol\n';
  for (let row = 0; row < rows; row += 1) {
    const subject = row % subjects;
    const to = row % destinations;
    const address = `10.${to >> 16}.${(to >> 8) & 255}.${to & 255}`;
    yield `${1_795_168_800 + row / 100},web1,${1000 + subject},app${subject},/usr/bin/app${subject},1000,1000,${address},443,tcp\n`;
  }
}

const directory = mkdtempSync(join(tmpdir(), 'bouheki-bench-'));
try {
  const file = join(directory, 'flows.csv');
  await pipeline(Readable.from(csv()), createWriteStream(file));
  const began = performance.now();
  const result = await importFile(file, {
    db: join(directory, 'bouheki.duckdb'),
    format: 'csv',
    skipBad: false,
    again: false,
  });
  const seconds = (performance.now() - began) / 1000;
  const memory = Math.round(process.memoryUsage.rss() / 1e6);
  console.log(
    `${result.rows} rows, ${(statSync(file).size / 1e6).toFixed(1)} MB, in ${seconds.toFixed(2)} s; ${memory} MB of memory`,
  );
} finally {
  rmSync(directory, { recursive: true });
}
