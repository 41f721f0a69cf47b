import { flowOf } from '../../../../generator/subject/flow.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { compileEvaluator } from '../../../../policy/meaning/evaluator.ts';
import type { Checks } from '../check.ts';
import { messyHost } from './messy-host.ts';
import { foldEqual } from '../named-events.ts';
import { policyOf } from '../policy.ts';

/** Lines before lists were shared, evidence told in one line, and ports joined: without names, and with. */
const BEFORE = { false: 2267, true: 2084 };
const MOST_LINES = 500;

/** How long the policy of a messy host is, and whether it allows what was seen. */
export function benchMessyHost(checks: Checks): void {
  for (const named of [false, true]) {
    const events = messyHost(named);
    const { document } = policyOf(foldEqual(events), {
      destinations: named ? 'auto' : 'address',
      evidence: 'line',
    });
    const text = printPolicy(document);
    const judge = compileEvaluator(parsePolicy(text, 'messy').policy!);
    const denied = events.filter((event) => judge(flowOf(event)).action === 'deny').length;
    const lines = text.split('\n').length - 1;
    const what = `messy host ${named ? 'by name' : 'by address'}`;
    checks.atMost(
      `${what}: lines (before: ${BEFORE[`${named}`].toLocaleString('en')})`,
      lines,
      MOST_LINES,
      'lines',
    );
    checks.equal(`${what}: of ${events.length.toLocaleString('en')} events denied`, denied, 0);
    if (process.env['SHOW']) process.stdout.write(text);
  }
}
