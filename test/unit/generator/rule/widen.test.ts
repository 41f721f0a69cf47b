import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { flowOf } from '../../../../generator/subject/flow.ts';
import { generatePolicy, type Generated } from '../../../../generator/generate.ts';
import { overlaps, OwnerTable } from '../../../../generator/rule/owner.ts';
import { parsePrefix } from '../../../../policy/value/cidr.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { input, OPTIONS, observation, observed, policyOf, print } from '../fixture.ts';

test('a budget of CIDRs widens prefixes, and each rule says what that allows', () => {
  const list = [0, 3, 9].map((low) => observed({ address: 0xc6336400n + BigInt(low), count: 5 }));
  const generated = generatePolicy(input(list), { ...OPTIONS, maxCidrs: 2 });
  assert.deepEqual(generated.grant, { allowed: 5, observed: 3 });
  const text = printPolicy(generated.document);
  assert.match(text, /# over-grant x1\.67 \(5 allowed, 3 observed addresses\)/);
  assert.match(text, /cidr: \[198\.51\.100\.0\/30, 198\.51\.100\.9\/32\]/);
});

test('a budget never lets a denied address in, and never denies what was observed', () => {
  fc.assert(
    fc.property(
      fc.array(observation, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 12 }),
      (list, maxCidrs) => {
        const deny = [parsePrefix('10.0.0.8/30')!];
        const attempt = (): Generated => generatePolicy(input(list), { ...OPTIONS, deny, maxCidrs });
        let generated: Generated;
        try {
          generated = attempt();
        } catch (error) {
          assert.ok(['usage', 'no-data'].includes((error as { code: string }).code));
          return;
        }
        assert.ok(generated.lists.flat(2).length <= maxCidrs);
        for (const prefix of generated.lists.flat(2)) {
          assert.ok(!generated.denied.some((each) => overlaps(prefix, each)));
        }
        const policy = policyOf(printPolicy(generated.document));
        for (const each of generated.demands.flatMap((demand) => demand.observations)) {
          assert.equal(evaluate(policy, flowOf(each)).action, 'allow');
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('--owners allows the published block around an address, but none with a denied address', () => {
  const owners = new OwnerTable([
    { owner: 'example', prefix: parsePrefix('198.51.100.0/24')! },
    { owner: 'other', prefix: parsePrefix('203.0.113.0/24')! },
    { owner: 'nobody', prefix: parsePrefix('10.0.0.0/8')! },
  ]);
  const list = [0xc6336401n, 0xcb007101n, 0x0a000001n].map((address) => observed({ address, count: 2 }));
  const deny = [parsePrefix('203.0.113.9')!];
  const text = print(list, { deny, owners });
  assert.match(text, /cidr: \[10\.0\.0\.1\/32, 198\.51\.100\.0\/24, 203\.0\.113\.1\/32\]/);
  assert.match(text, /# owners: example, other$/m);
});

test('the flat layout keeps the marks, at the address and at the command', () => {
  const list = [
    observed({ count: 9 }),
    observed({ address: 0xcb007105n }),
    observed({ count: 9, subject: { command: 'x', exe: '/tmp/x' } }),
  ];
  const { document, reviews } = generatePolicy(input(list), { ...OPTIONS, layout: 'flat' });
  const text = printPolicy(document);
  assert.match(
    text,
    /- 203\.0\.113\.5\/32 # review: public address without a neighbour in its \/24; seen once$/m,
  );
  assert.match(text, /- 10\.0\.0\.1\/32$/m);
  assert.match(text, /- x # review: executable in \/tmp$/m);
  assert.match(text, /- curl$/m);
  assert.equal(reviews, 2);
  policyOf(text);
});

test('the flat layout allows what was observed and says how much more', () => {
  const list = [
    observed({ port: 80 }),
    observed({ subject: { command: 'wget', uid: 0, gid: 0 }, address: 0x0a000002n }),
  ];
  const { document, notes } = generatePolicy(input(list), { ...OPTIONS, layout: 'flat' });
  const text = printPolicy(document);
  assert.match(text, / {2}command:\n {4}allow: \[curl, wget\]/);
  assert.match(notes[0]!, /16 times as many combinations/);
  const policy = policyOf(text);
  for (const each of list) assert.equal(evaluate(policy, flowOf(each)).action, 'allow');
  assert.equal(evaluate(policy, flowOf(observed({ address: 0xa9fea9fen }))).action, 'deny');
});
