import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { generatePolicy, type Generated } from '../../../../generator/generate.ts';
import { flowOf } from '../../../../generator/subject/flow.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { formatPrefix } from '../../../../policy/value/cidr.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';
import { input, observation, observed, OPTIONS, policyOf, print, unlessNoData } from '../fixture.ts';

/** An address that was seen in these tenths of the window, and no other. */
function seen(address: bigint, tenths: readonly number[], exe: string): RecordedObservation {
  const blocks = Array.from({ length: 10 }, (_, tenth) => (tenths.includes(tenth) ? 5 : 0));
  return observed({ address, count: 5 * tenths.length, blocks, subject: { exe } });
}

/** A service whose addresses are all near each other, of which new ones keep coming. */
const near = Array.from({ length: 60 }, (_, at) =>
  seen(0x34000000n + BigInt((at * 37) % 64), [Math.floor(at / 6)], '/usr/bin/near'),
);
/** Services far from each other, new ones too. */
const far = Array.from({ length: 60 }, (_, at) =>
  seen(0x40000000n + BigInt(at) * 0x10_0000n, [Math.floor(at / 6)], '/usr/bin/far'),
);
/** What was there all the time. */
const steady = Array.from({ length: 20 }, (_, at) =>
  seen(0x50000000n + 2n * BigInt(at), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], '/usr/bin/steady'),
);

const auto = (record: readonly RecordedObservation[]): Generated =>
  generatePolicy(input(record), { ...OPTIONS, maxCidrs: 'auto' });

test('each rule is as wide as served it, and exact where nothing is gained', () => {
  const { holdOut, lists, names, notes } = auto([...near, ...far, ...steady]);
  const of = (exe: string) => lists[names.findIndex((name) => name.includes(exe))]!.flat();
  const exact = generatePolicy(input([...near, ...far, ...steady]), OPTIONS);
  const exactOf = (exe: string) => exact.lists[exact.names.findIndex((name) => name.includes(exe))]!.flat();
  assert.ok(of('near').length < exactOf('near').length / 4, of('near').map(formatPrefix).join());
  assert.deepEqual(of('far'), exactOf('far'));
  assert.deepEqual(of('steady'), exactOf('steady'));
  assert.ok(holdOut.denied < exact.holdOut.denied, `${holdOut.denied} of ${exact.holdOut.denied}`);
  assert.ok(notes.some((note) => note.startsWith('Budgets: 1 of 3 rules wider than seen')));
});

test('most of what a chosen budget allows was seen, the record is allowed, in any order of it', () => {
  let wider = 0;
  const some = fc.shuffledSubarray([...near, ...far, ...steady], { minLength: 1 });
  fc.assert(
    fc.property(fc.array(observation, { maxLength: 20 }), some, (random, made) => {
      const list = [...random, ...made];
      const generated = unlessNoData(() => auto(list));
      if (generated === undefined) return;
      if (generated.grant.allowed > generated.grant.observed) wider++;
      assert.ok(generated.grant.allowed <= 2 * generated.grant.observed);
      const text = printPolicy(generated.document);
      assert.equal(print(list.toReversed(), { maxCidrs: 'auto' }), text);
      const policy = policyOf(text);
      for (const each of generated.demands.flatMap(({ observations }) => observations)) {
        assert.equal(evaluate(policy, flowOf(each)).action, 'allow');
      }
    }),
    { numRuns: 100 },
  );
  assert.ok(wider > 10, `${wider} wider than seen`);
});
