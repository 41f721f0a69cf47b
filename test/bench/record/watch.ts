/**
 * `npm run bench:watch`: what one `bouheki watch` costs the recorder at 10,000 connections a second, beside the same
 * without one, in instructions of the recorder and of the process of the record for a connection, once they have run for
 * `--before` seconds. Runs itself in the virtual machine, where one instruction is one nanosecond; `-- --here` measures
 * processor time on this machine instead, as root. Attaches nothing. Ends with 1 when a connection was neither taken nor
 * counted as missed.
 */
import { parseArgs } from 'node:util';
import { formatDecimal } from '../../../format/number.ts';
import { isInMachine, runInMachine } from '../machine.ts';
import { Flooder } from './flooder.ts';
import { type RateResult, recordAt } from './rate.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '8' },
    before: { type: 'string', default: '4' },
    pairs: { type: 'string', default: '2' },
    here: { type: 'boolean', default: false },
  },
});

/** Nanoseconds of processor time a connection: of both processes, and of that of the record alone. */
interface Cost {
  all: number;
  store: number;
}

async function costOf(flooder: Flooder, watcher: boolean): Promise<Cost> {
  const result = await recordAt(flooder, Number(values.rate), Number(values.seconds), {
    before: Number(values.before),
    watcher,
  });
  const { perSecond, recorderCpu, storeCpu } = result;
  const cost = { all: (recorderCpu / perSecond) * 1e9, store: (storeCpu / perSecond) * 1e9 };
  const text = [
    watcher ? 'watched' : 'alone  ',
    `${formatDecimal(perSecond, 0)}/s`,
    `${formatDecimal(cost.all, 0)} ns, of which the record ${formatDecimal(cost.store, 0)}`,
    ...(result.watched === undefined ? [] : [watchedText(result)]),
  ];
  console.log(text.join('  '));
  return cost;
}

function watchedText({ committed, lost, watched }: RateResult): string {
  const { missed, taken } = watched!;
  if (taken + missed !== committed) process.exitCode = 1;
  const counts = [taken, missed, committed, lost].map((count) => formatDecimal(count, 0));
  return `${counts[0]} taken + ${counts[1]} missed of ${counts[2]} recorded, ${counts[3]} lost`;
}

function medianOf(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle - 0.5)]! + sorted[Math.floor(middle)]!) / 2;
}

/** What the middle one with a watcher takes beyond the middle one without. */
function addedText(what: string, alone: readonly number[], watched: readonly number[]): string {
  const [before, after] = [medianOf(alone), medianOf(watched)];
  const added = formatDecimal((after / before - 1) * 100, 1);
  return `${what}: ${formatDecimal(before, 0)} ns alone, ${formatDecimal(after, 0)} ns watched, ${added} %`;
}

async function measure(): Promise<void> {
  using flooder = await Flooder.start({ subjects: 1000, destinations: 100_000, denyEvery: 10_000 });
  const costs: { alone: Cost[]; watched: Cost[] } = { alone: [], watched: [] };
  for (let pair = 0; pair < Number(values.pairs); pair += 1) {
    // Either comes first in every other pair, so that what changes with time is in both.
    const order = pair % 2 === 0 ? (['alone', 'watched'] as const) : (['watched', 'alone'] as const);
    for (const each of order) costs[each].push(await costOf(flooder, each === 'watched'));
  }
  for (const part of ['all', 'store'] as const) {
    const of = (from: readonly Cost[]): number[] => from.map((cost) => cost[part]);
    console.log(
      addedText(part === 'all' ? 'recorder and record' : 'record', of(costs.alone), of(costs.watched)),
    );
  }
}

if (values.here || isInMachine) await measure();
else process.exitCode = runInMachine(import.meta.filename, '6.1', 3000, process.argv.slice(2));
