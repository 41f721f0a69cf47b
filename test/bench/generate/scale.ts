import { coverRelation } from '../../../generator/boxes/cover.ts';
import { sharedServices, sizesOf, type Scene } from '../../arbitrary/shared-services.ts';
import { Random } from '../../unit/generator/random.ts';
import { type Checks, timed } from './check.ts';
import { relationOf, tupleCount } from '../../arbitrary/relation.ts';

/** Each has about twice the tuples of the one before. */
const SCENES: readonly Scene[] = [
  { containers: 13, services: 40, pool: 40, events: 27_000 },
  { containers: 60, services: 60, pool: 40, events: 27_000 },
  { containers: 120, services: 100, pool: 60, events: 60_000 },
  { containers: 240, services: 150, pool: 60, events: 125_000 },
  { containers: 481, services: 200, pool: 60, events: 260_000 },
];

/** What boxes cost as the distinct tuples grow, and how near to the fewest there can be they are proved to be. */
export function benchScale(checks: Checks): void {
  for (const scene of SCENES) {
    const random = new Random(1);
    const relation = relationOf(
      sizesOf(scene),
      sharedServices(scene, () => random.next()),
    );
    const { milliseconds, result } = timed(() => coverRelation(relation, 2));
    const name = `boxes of ${tupleCount(relation).toLocaleString('en')} tuples`;
    checks.atLeast(`${name}: bound / boxes`, result.atLeast / result.boxes.length, 0.9);
    console.log(
      `      ${result.boxes.length} boxes, no fewer than ${result.atLeast}; ${milliseconds.toFixed(0)} ms`,
    );
  }
}
