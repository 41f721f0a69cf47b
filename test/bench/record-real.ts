/**
 * How `bouheki learn` fares with real connections: `npm run bench:record:real -- [--seconds N] [--rates 1000,10000,0]
 * [--kind tcp|datagrams|queries] [--destinations N] [--read]`, in a cgroup of its own with the cgroup backend, to closed
 * ports of loopback. Rate 0 is as fast as one process can; `datagrams` are those of a client of statsd, `queries` a
 * connect() and a send() by a new socket each; with --read `generate` and `status` are asked over and over meanwhile.
 * Needs root. Ends with 1 when a connection is neither recorded nor counted as lost.
 */
import { parseArgs } from 'node:util';
import { recordReal, type RealTraffic } from './record/real.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rates: { type: 'string', default: '1000,10000,30000,0' },
    kind: { type: 'string', default: 'tcp' },
    destinations: { type: 'string', default: '10000' },
    read: { type: 'boolean', default: false },
  },
});
const AS_MANY_AS_IT_CAN = 1e9;

console.log(
  'wanted/s  made/s  made  committed  lost  rows  recorder CPU  generator CPU  memory  file  bytes/row  generate  status',
);
for (const rate of values.rates.split(',').map(Number)) {
  const result = await recordReal(
    {
      kind: values.kind as RealTraffic['kind'],
      rate: rate || AS_MANY_AS_IT_CAN,
      seconds: Number(values.seconds),
      destinations: Number(values.destinations),
    },
    values.read,
  );
  console.log(
    [
      rate || 'flood',
      Math.round(result.perSecond),
      result.made,
      result.committed,
      result.lost,
      result.rows,
      `${(result.recorderCpu * 100).toFixed(1)} %`,
      `${(result.generatorCpu * 100).toFixed(1)} %`,
      `${Math.round(result.memory / 1e6)} MB`,
      `${(result.bytes / 1e6).toFixed(1)} MB`,
      (result.bytes / Math.max(1, result.rows)).toFixed(1),
      result.generated,
      result.told,
    ].join('  '),
  );
  const missing = result.made - result.committed - result.lost;
  if (missing === 0) continue;
  console.log(`${missing} connections are neither recorded nor counted as lost`);
  process.exitCode = 1;
}
