import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { compare } from '../../../../generator/drift/drift.ts';
import { Fixes } from '../../../../generator/drift/finding/fix.ts';
import { explainFlow } from '../../../../policy/analysis/explain.ts';
import { policy as policies } from '../../policy/arbitrary.ts';
import { observation, observed, policyOf } from '../fixture.ts';

test('what would settle a case is what explain says, though fewer rules are looked at', () => {
  fc.assert(
    fc.property(fc.array(observation, { minLength: 1, maxLength: 20 }), policies, (list, policy) => {
      const fixes = new Fixes(policy);
      for (const each of compare(policy, list).cases) {
        if (each.part === 'shared') continue;
        const { fix = 'nothing to add: this policy allows it' } = explainFlow(policy, each.flow);
        assert.equal(fixes.fixOf(each), fix);
      }
    }),
    { numRuns: 300 },
  );
});

test('sets that several rules name are counted as explain counts them', () => {
  const policy = policyOf(`version: 2
sets:
  s3: { cidr: [10.0.0.0/30] }
network:
  mode: block
  allow:
    - { name: one, from: { exe: [/usr/bin/curl] }, to: [{ cidr: ["@s3"], port: [443] }] }
    - { name: two, from: { exe: [/usr/bin/wget] }, to: [{ cidr: ["@s3"], port: [443] }] }
`);
  const [each] = compare(policy, [observed({ address: 0x0a000101n })]).cases;
  const fix = new Fixes(policy).fixOf(each!);
  assert.equal(fix, explainFlow(policy, each!.flow).fix);
  assert.match(fix, /2 rules name/);
});

test('in a report that is too long a rule of its own is suggested to subjects that have none', () => {
  const policy = policyOf(`version: 2
network:
  mode: block
  allow:
    - { name: one, from: { exe: [/usr/bin/curl] }, to: [{ cidr: [10.0.0.1/32], port: [443], protocol: [tcp] }] }
`);
  const { cases } = compare(policy, [
    observed({ subject: { exe: '/usr/bin/wget' } }),
    observed({ subject: { exe: '/usr/bin/zget' } }),
    observed({ port: 8443 }),
  ]);
  const fixes = new Fixes(policy, 1);
  assert.deepEqual(
    cases.map((each) => fixes.fixOf(each)),
    [
      'add 8443 to port of rule "one"',
      'add /usr/bin/wget to exe of rule "one"',
      'add under network.allow: - { from: { exe: [/usr/bin/zget], uid: [1000] }, to: [{ cidr: [10.0.0.1/32], port: [443], protocol: [tcp] }] }',
    ],
  );
});
