import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffPolicies } from '../../../../policy/analysis/diff.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { upgradePolicy } from '../../../../policy/file/edit/upgrade.ts';
import { mutatedPolicy, randomOf } from '../../../bench/policy-mutation.ts';

/** The long run is `npm run fuzz:policy`. */
test('no mutated policy crashes the parser, and every fault has a place in its file', () => {
  let valid = 0;
  for (let seed = 0; seed < 3000; seed++) {
    const text = mutatedPolicy(randomOf(seed));
    const { policy, problems } = parsePolicy(text, 'mutated.yaml');
    const lines = text.split('\n');
    for (const { line, column } of problems) {
      const length = lines[line - 1]?.length ?? -1;
      assert.ok(column >= 1 && column <= length + 1, `seed ${seed}: ${line}:${column}`);
    }
    assert.equal(
      policy === undefined,
      problems.some(({ severity }) => severity === 'error'),
      `seed ${seed}`,
    );
    if (!policy) continue;
    valid++;
    if (policy.version === 2) continue;
    const upgraded = parsePolicy(upgradePolicy(text), 'upgraded.yaml').policy;
    assert.ok(upgraded, `seed ${seed}`);
    const { gained, lost } = diffPolicies(policy, upgraded);
    assert.deepEqual([...gained, ...lost], [], `seed ${seed}`);
  }
  assert.ok(valid > 100, `only ${valid} mutated policies were valid: the mutations are too rough`);
});
