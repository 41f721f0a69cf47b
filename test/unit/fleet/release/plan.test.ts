import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_LIMITS, defaultPlan, readPlan } from '../../../../fleet/release/plan.ts';
import fc from '../../../arbitrary/fast-check.ts';

const faultsOf = (document: unknown, mode: 'monitor' | 'block' = 'block'): string[] =>
  readPlan(document, mode).faults.map(({ path, message }) => `${path.join('.')}: ${message}`);

test('the default plan reads itself, and begins with canaries that only report', () => {
  for (const mode of ['monitor', 'block'] as const) {
    const plan = defaultPlan(mode);
    assert.equal(plan.stages[0]?.mode, 'monitor');
    assert.deepEqual(readPlan(JSON.parse(JSON.stringify(plan)), mode), { plan, faults: [] });
  }
});

test('a plan file gives what it names, and defaults for the rest', () => {
  const { plan, faults } = readPlan(
    {
      stages: [
        { name: 'one', hosts: '0.5%', most: 3, mode: 'monitor', soak: '90s', through: 14 },
        { hosts: 'all' },
      ],
      limits: { failed: '10%', deadline: '1m' },
    },
    'block',
  );
  assert.deepEqual(faults, []);
  assert.deepEqual(plan, {
    stages: [
      { name: 'one', hosts: 0.005, most: 3, mode: 'monitor', soak: 90, through: 14 },
      { name: 'stage 2', hosts: 1, most: null, mode: 'block', soak: 3600, through: null },
    ],
    spread: 'zone',
    limits: { ...DEFAULT_LIMITS, failed: 0.1, deadline: 60 },
  });
});

test('each fault of a plan is named with its place', () => {
  assert.deepEqual(faultsOf({ stages: [{ hosts: '120%', soak: '1 hour', wait: 1 }, { hosts: 'all' }] }), [
    'stages.0.wait: unknown key wait',
    'stages.0.hosts: hosts has to be a share such as 10%, or all',
    'stages.0.soak: soak has to be a duration of at most 90 days, such as 1h',
  ]);
  assert.deepEqual(faultsOf({ stages: [{ hosts: '50%' }] }), [
    'stages.0.hosts: the last stage has to be all',
  ]);
  assert.deepEqual(faultsOf({ stages: [{ hosts: 'all', mode: 'block' }] }, 'monitor'), [
    'stages.0.mode: the release is published to monitor only',
  ]);
  assert.deepEqual(faultsOf({ stages: [{ hosts: 'all' }], limits: { failed: 3 } }), [
    'limits.failed: failed has to be a share such as 2%',
  ]);
  assert.equal(faultsOf({ stages: [] }).length, 1);
  assert.equal(faultsOf([]).length, 1);
});

test('no document makes the reader throw', () => {
  fc.assert(fc.property(fc.anything(), (document) => readPlan(document, 'block').faults.length >= 0));
  const stage = fc.dictionary(
    fc.constantFrom('name', 'hosts', 'most', 'mode', 'soak', 'through'),
    fc.anything(),
  );
  fc.assert(
    fc.property(fc.array(stage), fc.anything(), (stages, limits) => {
      return readPlan({ stages, limits }, 'monitor').faults.length >= 0;
    }),
  );
});
