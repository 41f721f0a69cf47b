/**
 * How many connections a second the recorder takes from ring buffers that the kernel fills into committed rows:
 * `npm run bench:record -- [--seconds N] [--rates 1000,1000000,0] [--no-costs] [--read]
 * [--subjects N] [--destinations N]`. Rate 0 is as fast as the flood
 * can be; with --read another process reads all observations over and over meanwhile. Needs root and a kernel that runs
 * BPF; attaches nothing. Ends with 1 when rows are missing that are not counted.
 */
import { parseArgs } from 'node:util';
import { formatDecimal } from '../../format/number.ts';
import { measureCosts } from './record/cost.ts';
import { Flooder } from './record/flooder.ts';
import { recordAt } from './record/rate.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rates: { type: 'string', default: '1000,10000,100000,500000,1000000,0' },
    subjects: { type: 'string', default: '1000' },
    destinations: { type: 'string', default: '100000' },
    costs: { type: 'boolean', default: true },
    read: { type: 'boolean', default: false },
  },
  allowNegative: true,
});

using flooder = await Flooder.start({
  subjects: Number(values.subjects),
  destinations: Number(values.destinations),
  denyEvery: 10_000,
});
const number = (value: number, digits = 0): string => formatDecimal(value, digits);
const head =
  'wanted/s  written/s  produced  committed  lost  denials  recorder CPU  flood CPU  memory + store  bytes/row  reads  longest gap';
console.log(head);
for (const rate of values.rates.split(',').map(Number)) {
  const result = await recordAt(flooder, rate, Number(values.seconds), { reader: values.read });
  console.log(
    [
      rate === 0 ? 'flood' : number(rate),
      number(result.perSecond),
      number(result.produced),
      number(result.committed),
      number(result.lost),
      `${number(result.committedDenials)} of ${number(result.denied)}`,
      `${number(result.recorderCpu * 100, 1)} %`,
      `${number(result.floodCpu * 100, 1)} %`,
      `${number(result.memory / 1e6)} + ${number(result.storeMemory / 1e6)} MB`,
      number(result.bytesPerRow, 1),
      number(result.reads),
      `${number(result.longest)} ms`,
    ].join('  '),
  );
  const missing = result.produced - result.committed - result.lost;
  if (missing !== 0) {
    console.log(`${number(missing)} connections are neither recorded nor counted as lost`);
    process.exitCode = 1;
  }
}
if (values.costs) {
  const { walk, decode, append, rowAppender } = await measureCosts(flooder);
  console.log(
    `\nns an event: walk ${number(walk, 1)}, decode ${number(decode, 1)}, append and commit ${number(append, 1)}`,
  );
  console.log(`by DuckDB's row appender instead: ${number(rowAppender, 1)}`);
}
