import type { Checks } from './check.ts';
import { beats, compare, type Point } from './pareto.ts';
import { publishedOwners, splits } from './split.ts';

/** All that `generate` offers beside what other learners do, on later traffic of the same hosts. */
export function benchPareto(checks: Checks): void {
  const series = splits();
  if (series === undefined) return;
  const owners = publishedOwners();
  for (const { history, later, name } of series) {
    const { beaten, beyond, ours, standard, suggested, theirs } = compare(history, later, owners);
    console.log(`      ${name}: denied of it; log2 of allowed combinations`);
    show('default', standard);
    show('suggested', suggested);
    for (const point of ours) show('front', point);
    for (const point of theirs) show(beyond.includes(point) ? 'NOT REACHED' : 'reached by ours', point);
    const beat = theirs.filter((their) => beats(their, suggested));
    checks.equal('  of theirs that beat the suggested budget', beat.length, 0);
    checks.equal('  of our front beaten by one of theirs', beaten.length, 0);
    checks.equal('  of theirs that none of ours reaches on both counts', beyond.length, 0);
  }
}

function show(what: string, { falseDenies, name, volume }: Point): void {
  const share = `${(falseDenies * 100).toFixed(1)} %`;
  console.log(`        ${name.padEnd(46)} ${share.padStart(8)} ${volume.toFixed(1).padStart(7)}  ${what}`);
}
