import { spawnSync } from 'node:child_process';
import { blocksOf } from '../../../generator/prefixes/blocks.ts';
import { floorsOf, type Limits } from '../../../generator/prefixes/floor.ts';
import { convexHull } from '../../../generator/prefixes/hull.ts';
import { optimalCover } from '../../../generator/prefixes/optimum.ts';
import { growForest, type PrefixForest } from '../../../generator/prefixes/tree.ts';
import { formatPrefix, type Prefix } from '../../../policy/value/cidr.ts';
import { mergePrefixes } from '../../../policy/value/prefix-set.ts';
import { type Checks, timed } from './check.ts';
import { prefixesOf, readData } from './data.ts';
import { leastBudget } from '../../arbitrary/least-budget.ts';

/** The oracles are about the bare problem: addresses, denied addresses, a number of prefixes. */
const FREE: Limits = { denied: [], widest: { 4: 0, 6: 0 }, zones: false };

/** Optimal numbers of unobserved addresses, from an independent implementation. */
const OPTIMA: [budget: number, cost: number, limit: number][] = [
  [100, 3_214_781_090, 500],
  [1000, 2_397_136_149, 500],
  [10_000, 848_461_632, 2000],
  [50_000, 11_132_485, 2000],
];

export function benchPrefixes(checks: Checks): void {
  const sets: [file: string, merged: number][] = [
    ['resolvers_extended_ipv4.txt.gz', 9257],
    ['ipsum_ipv4.txt.gz', 95_644],
    ['cloud_all_ipv4.cidr.gz', 7728],
  ];
  for (const [file, merged] of sets) lossless(checks, file, merged);
  const published = readData('cloud_all_ipv4_merged_reference.cidr.gz');
  const cloud = readData('cloud_all_ipv4.cidr.gz');
  if (published !== undefined && cloud !== undefined) {
    const ours = mergePrefixes(prefixesOf(cloud)).map(formatPrefix).join();
    checks.holds(
      'cloud_all: the list its publisher merged',
      ours === prefixesOf(published).map(formatPrefix).join(),
    );
  }
  budgets(checks);
}

/** Text to text, each way from its first run on. */
function lossless(checks: Checks, file: string, expected: number): void {
  const text = readData(file);
  if (text === undefined) return;
  const ours = timings(() => linesOf(mergePrefixes(prefixesOf(text)).map(formatPrefix)));
  checks.equal(`${file}: lossless`, ours.result.split('\n').length - 1, expected);
  if (file.startsWith('ipsum')) checks.atMost('  text to text, first run', ours.first, 150, 'ms');
  const plain = timings(() => linesOf(plainMerge(text)));
  checks.holds('  equal to plain JavaScript', sorted(plain.result) === sorted(ours.result));
  console.log(
    `      median: ours ${ours.median.toFixed(1)} ms, plain JavaScript ${plain.median.toFixed(1)} ms ` +
      `(x${(plain.median / ours.median).toFixed(1)} of ours)`,
  );
  if (spawnSync('iprange', ['--version']).error !== undefined) {
    console.log('      iprange is not installed: not compared');
    return;
  }
  const tool = timings(() =>
    spawnSync('iprange', ['-'], { input: text, encoding: 'utf8', maxBuffer: LIMIT }),
  );
  checks.holds('  equal to iprange, line by line', withoutHosts(ours.result) === tool.result.stdout);
  checks.atMost(
    `  our time in that of iprange's process (${tool.median.toFixed(1)} ms)`,
    ours.median / tool.median,
    10,
    'times',
  );
}

/** What is most that a tool prints. */
const LIMIT = 1 << 28;

const RUNS = 7;

/**
 * What several runs gave, the milliseconds of the first one (see `timed`), and the median on the clock, which is the only
 * time that two programs have in common.
 */
function timings<T>(work: () => T): { result: T; first: number; median: number } {
  const clock: number[] = [];
  const runs = Array.from({ length: RUNS }, () => {
    const started = performance.now();
    const run = timed(work);
    clock.push(performance.now() - started);
    return run;
  });
  return {
    result: runs.at(-1)!.result,
    first: runs[0]!.milliseconds,
    median: clock.sort((a, b) => a - b)[RUNS >> 1]!,
  };
}

function linesOf(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}

/** As iprange prints single addresses. */
function withoutHosts(text: string): string {
  return text.replaceAll('/32\n', '\n');
}

function sorted(text: string): string {
  return text.split('\n').sort().join('\n');
}

/** What one writes in an afternoon: a set for each length, in which siblings are joined from the hosts up. */
function plainMerge(text: string): string[] {
  const levels = Array.from({ length: 33 }, () => new Set<number>());
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [address, length = '32'] = line.trim().split('/');
    const value = address!.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
    const size = 2 ** (32 - Number(length));
    levels[Number(length)]!.add(value - (value % size));
  }
  const merged: string[] = [];
  for (let length = 32; length >= 0; length--) {
    const size = 2 ** (32 - length);
    for (const value of levels[length]!) {
      let inside = false;
      for (let above = length - 1; above >= 0 && !inside; above--) {
        inside = levels[above]!.has(value - (value % 2 ** (32 - above)));
      }
      if (inside) continue;
      const isRight = value % (size * 2) !== 0;
      if (levels[length]!.has(isRight ? value - size : value + size)) {
        if (!isRight) levels[length - 1]!.add(value);
        continue;
      }
      const octets = [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
      merged.push(`${octets.join('.')}/${length}`);
    }
  }
  return merged;
}

function budgets(checks: Checks): void {
  const ipsum = readData('ipsum_ipv4.txt.gz');
  const resolvers = readData('resolvers_extended_ipv4.txt.gz');
  if (ipsum === undefined || resolvers === undefined) return;
  const observed = mergePrefixes(prefixesOf(ipsum));
  const forest = forestOf(observed, FREE);
  const hull = convexHull(forest);
  for (const [budget, cost, limit] of OPTIMA) {
    const { milliseconds, result } = timed(() => optimalCover(forestOf(observed, FREE), budget)!);
    checks.equal(`ipsum, ${budget} prefixes: unobserved addresses`, result.cost, cost);
    checks.atMost('  time, with tree and hull', milliseconds, limit, 'ms');
    const vertex = hull.find(({ count }) => count <= budget)!;
    checks.holds('  not above the nearest corner of the hull', result.cost <= vertex.cost);
  }
  const known = new Set(prefixesOf(ipsum).map(({ value }) => value));
  const denied = mergePrefixes(prefixesOf(resolvers).filter(({ value }) => !known.has(value)));
  const cut = forestOf(observed, { ...FREE, denied });
  const least = leastBudget(cut);
  checks.equal('ipsum without resolvers: least feasible budget', least, 11_388);
  checks.equal('  unobserved addresses there', optimalCover(cut, least)!.cost, 2_021_051_042);
  rounding(checks, observed, forest);
}

/** What rounding to one length costs at the same number of prefixes. */
function rounding(checks: Checks, observed: readonly Prefix[], forest: PrefixForest): void {
  for (const length of [24, 20, 16]) {
    const host = BigInt(32 - length);
    const rounded = mergePrefixes(
      observed.map(({ value }) => ({ family: 4, value: (value >> host) << host, length })),
    );
    const extra = addressesIn(rounded) - addressesIn(observed);
    const ours = optimalCover(forest, rounded.length)!.cost;
    checks.holds(
      `ipsum /${length}: better at the same ${rounded.length} prefixes`,
      ours <= extra,
      `rounding x${(extra / ours).toFixed(1)}`,
    );
  }
}

function addressesIn(prefixes: readonly Prefix[]): number {
  return prefixes.reduce((sum, each) => sum + 2 ** (32 - each.length), 0);
}

function forestOf(observed: readonly Prefix[], limits: Limits): PrefixForest {
  const blocks = blocksOf(observed, 4);
  return growForest([{ blocks, floors: floorsOf(blocks, 4, limits) }]);
}
