import { judgeByRules } from '../../../generator/hold-out.ts';
import { curveOf } from '../../../generator/rule/curve.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import type { Checks } from './check.ts';
import { policyOf } from './policy.ts';
import { splits } from './split.ts';

const OPTIONS = { allowCommandRules: true } as const;

/** CIDRs of a policy, how many times as many addresses as seen it allows, and the share of later events it denies. */
interface Result {
  cidrs: number;
  grant: number;
  denied: number;
}

/** Budgets by rule, chosen by hold-out, beside exact addresses and the one budget that the curve suggests. */
export function benchBudgets(checks: Checks): void {
  const series = splits();
  if (series === undefined) return;
  console.log('      | CIDRs, over-grant, later events denied | exact | suggested | auto |');
  console.log('      |---|---:|---:|---:|');
  const sum = { exact: 0, auto: 0 };
  for (const { history, later, name } of series) {
    const tryWith = (maxCidrs?: number | 'auto'): Result => {
      const { grant, lists, rules } = policyOf(history, { ...OPTIONS, ...(maxCidrs && { maxCidrs }) });
      const denied = deniedShare(later, judgeByRules(rules, lists));
      return { cidrs: lists.flat(2).length, grant: grant.allowed / grant.observed, denied };
    };
    const made = policyOf(history, OPTIONS);
    const { suggested } = curveOf(made.rules, made.denied);
    const [exact, one, auto] = [tryWith(), tryWith(suggested.count), tryWith('auto')];
    console.log(`      | ${name} | ${[exact, one, auto].map(textOf).join(' | ')} |`);
    checks.holds(`${name}: auto needs no more CIDRs`, auto.cidrs <= exact.cidrs);
    sum.exact += exact.denied;
    sum.auto += auto.denied;
  }
  checks.atMost(
    'budgets by rule: denied, of what exact addresses deny',
    (100 * sum.auto) / sum.exact,
    97,
    '%',
  );
}

function deniedShare(
  later: readonly RecordedObservation[],
  allows: (each: RecordedObservation) => boolean,
): number {
  return eventsOf(later.filter((each) => !allows(each))) / eventsOf(later);
}

function eventsOf(list: readonly RecordedObservation[]): number {
  return list.reduce((total, each) => total + each.count, 0);
}

function textOf({ cidrs, denied, grant }: Result): string {
  return `${cidrs}, x${grant.toFixed(2)}, ${(100 * denied).toFixed(1)} %`;
}
