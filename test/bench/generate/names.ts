import type { DestinationKind } from '../../../generator/name/by-name.ts';
import { flowOf } from '../../../generator/subject/flow.ts';
import type { SubjectKind } from '../../../generator/subject/subject.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import { printPolicy } from '../../../policy/file/print.ts';
import { compileEvaluator } from '../../../policy/meaning/evaluator.ts';
import type { Policy } from '../../../policy/meaning/policy.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { contentDeliveryWeek } from './made/cdn-week.ts';
import type { Checks } from './check.ts';
import { readData } from './data.ts';
import { foldEqual, readNamedEvents } from './named-events.ts';
import { policyOf } from './policy.ts';

const SETS = ['named_rita_home', 'named_proxifier_oct', 'named_otrf_mkt01', 'named_otrf_ws5'];

/** The share of the events that a policy is learnt from. */
const LEARNT = 0.75;

/** A way to make a policy, and what is changed in it before it judges. */
interface Way {
  destinations: DestinationKind;
  by?: SubjectKind;
  change?: (policy: Policy) => Policy;
}

const WAYS = {
  'by address': { destinations: 'address', by: 'container' },
  'by name, within the TTL': { destinations: 'name', by: 'container', change: withoutKeep },
  'by name, keep learnt': { destinations: 'name', by: 'container' },
  'by name, pooled': { destinations: 'name' },
  'by name and image': { destinations: 'name', by: 'image' },
} satisfies Record<string, Way>;

/**
 * On connections of which a log knew the name, and on a week of made-up traffic to content delivery networks: how many
 * events of the last quarter a policy of the rest denies. In the logs a name is taken for one that the program asked
 * for just before.
 */
export function benchNames(checks: Checks): void {
  console.log(`      | events of the last quarter denied | of | ${Object.keys(WAYS).join(' | ')} |`);
  console.log(`      |---|---:|${'---:|'.repeat(Object.keys(WAYS).length)}`);
  for (const set of SETS) {
    const text = readData(`${set}.csv.gz`);
    if (text !== undefined) benchSet(checks, set, readNamedEvents(text));
  }
  const week = 'a week of content delivery';
  const denied = benchSet(checks, week, contentDeliveryWeek(false));
  const tenths = (10 * denied['by name, keep learnt']) / denied['by address'];
  checks.atMost(`${week}: denied by name for those by address`, tenths, 1, 'tenths');
  benchSet(checks, `${week}, containers made anew`, contentDeliveryWeek(true));
}

function benchSet(
  checks: Checks,
  set: string,
  events: readonly RecordedObservation[],
): Record<keyof typeof WAYS, number> {
  const cut = Math.floor(events.length * LEARNT);
  const learnt = foldEqual(events.slice(0, cut));
  const rest = events.slice(cut);
  const denied = Object.fromEntries(
    Object.entries<Way>(WAYS).map(([name, way]) => [name, deniedBy(learnt, rest, way)]),
  ) as Record<keyof typeof WAYS, number>;
  const shares = Object.values(denied).map((count) => `${((100 * count) / rest.length).toFixed(1)} %`);
  console.log(`      | ${set} | ${rest.length.toLocaleString('en')} | ${shares.join(' | ')} |`);
  checks.atMost(
    `${set}: denied by name, at most as by address`,
    denied['by name, keep learnt'],
    denied['by address'],
    'events',
  );
  return denied;
}

/** A name counts until the end of its TTL. */
function withoutKeep(policy: Policy): Policy {
  const boxes = policy.boxes.map((box) =>
    box.to.names === undefined ? box : { ...box, to: { ...box.to, keep: 0 } },
  );
  return { ...policy, boxes };
}

function deniedBy(
  learnt: readonly RecordedObservation[],
  rest: readonly RecordedObservation[],
  { by, change, destinations }: Way,
): number {
  const { document } = policyOf(learnt, { allowCommandRules: true, destinations, ...(by && { by }) });
  const { policy } = parsePolicy(printPolicy(document), 'generated');
  const judge = compileEvaluator(change ? change(policy!) : policy!);
  return rest.filter((event) => judge(flowOf(event)).action === 'deny').length;
}
