import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lintPolicy } from '../../../policy/analysis/lint.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import { largePolicy } from '../../bench/large-policy.ts';

/** Ten times this is timed by test/bench/policy-size.ts; here, on a busy machine, it is enough that nothing is quadratic. */
test('1,000 rules with 10,000 prefixes parse and check in two seconds of processor time', () => {
  const source = largePolicy(1000, 10);
  const start = process.cpuUsage();
  const { policy, problems } = parsePolicy(source, 'large.yaml');
  assert.deepEqual(problems, []);
  const findings = lintPolicy(policy!);
  assert.deepEqual(
    findings.map(({ kind }) => kind),
    ['cut-off'],
  );
  const { user, system } = process.cpuUsage(start);
  const milliseconds = (user + system) / 1000;
  assert.ok(milliseconds < 2000, `${milliseconds.toFixed(0)} ms`);
});
