import { spawnSync } from 'node:child_process';
import { blocksOf } from '../../../generator/prefixes/blocks.ts';
import { floorsOf, type Limits } from '../../../generator/prefixes/floor.ts';
import { convexHull } from '../../../generator/prefixes/hull.ts';
import { leastBudget, optimalCover } from '../../../generator/prefixes/optimum.ts';
import { growForest, type PrefixForest } from '../../../generator/prefixes/tree.ts';
import { formatPrefix, type Prefix } from '../../../policy/cidr.ts';
import { mergePrefixes } from '../../../policy/prefix-set.ts';
import { type Checks, timed } from './check.ts';
import { prefixesOf, readData } from './data.ts';

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

function lossless(checks: Checks, file: string, expected: number): void {
  const text = readData(file);
  if (text === undefined) return;
  prefixesOf(text);
  const { milliseconds, result } = timed(() => mergePrefixes(prefixesOf(text)));
  checks.equal(`${file}: lossless`, result.length, expected);
  if (file.startsWith('ipsum')) checks.atMost('  with parsing', milliseconds, 150, 'ms');
  const plain = timed(() => plainMerge(text));
  console.log(
    `      plain JavaScript (text keys)                         ${(plain.milliseconds / milliseconds).toFixed(1).padStart(17)}x  of our time`,
  );
  const tool = spawnSync('iprange', ['-'], { input: text, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (tool.error !== undefined) console.log('      iprange is not installed: not compared');
  else {
    const theirs = mergePrefixes(prefixesOf(tool.stdout));
    checks.holds('  equal to iprange', theirs.map(formatPrefix).join() === result.map(formatPrefix).join());
  }
}

/** What one writes in an afternoon: a set of texts in which siblings are joined until none are left. */
function plainMerge(text: string): Set<string> {
  let level = new Set(prefixesOf(text).map((each) => `${each.value}/${each.length}`));
  const done = new Set<string>();
  for (let length = 32; length > 0; length--) {
    const next = new Set<string>();
    for (const key of level) {
      const [value, own] = key.split('/').map(Number) as [number, number];
      if (own !== length) next.add(key);
      else {
        const size = 2 ** (32 - length);
        const sibling = value % (size * 2) === 0 ? value + size : value - size;
        if (level.has(`${sibling}/${length}`)) next.add(`${Math.min(value, sibling)}/${length - 1}`);
        else done.add(key);
      }
    }
    level = next;
  }
  return done;
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
