import assert from 'node:assert/strict';
import test from 'node:test';
import { curveOf } from '../../../../generator/rule/curve.ts';
import { generatePolicy, type Generated } from '../../../../generator/generate.ts';
import { overlaps, OwnerTable } from '../../../../generator/rule/owner.ts';
import { formatPrefix, parsePrefix, type Prefix } from '../../../../policy/value/cidr.ts';
import { coversPrefixes } from '../../../../policy/value/prefix-set.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';
import { input, observed, OPTIONS } from '../fixture.ts';
import { Random } from '../random.ts';

const NETWORK = { 4: 0x34000000n, 6: 0x2600_0000n << 96n };
const DENY = [parsePrefix('52.0.0.8/30')!, parsePrefix('2600:0:0:8::/62')!];

/** Observations of a few programs at addresses near each other, of both families, IPv6 by the /64. */
function record(random: Random): RecordedObservation[] {
  return Array.from({ length: 4 + random.below(30) }, () => {
    const family = random.below(2) === 0 ? 4 : 6;
    const place = BigInt(random.below(64)) << (family === 4 ? 0n : 64n);
    const subject = { exe: `/usr/bin/${'abc'[random.below(3)]}` };
    return observed({ subject, family, address: NETWORK[family] + place, port: [80, 443][random.below(2)]! });
  });
}

function generate(list: readonly RecordedObservation[], maxCidrs?: number): Generated {
  return generatePolicy(input(list), { ...OPTIONS, deny: DENY, ...(maxCidrs && { maxCidrs }) });
}

function units(prefixes: readonly Prefix[]): number {
  return prefixes.reduce((sum, { family, length }) => {
    const bits = family === 4 ? 32 : 64;
    return sum + 2 ** (bits - Math.min(length, bits));
  }, 0);
}

/** Addresses, or /64 networks, beside the observed ones; each entry counts its own. */
function unobserved({ lists, rules }: Generated): number {
  const seen = rules.flatMap(({ entries }) => entries.flatMap((entry) => entry.observed));
  return units(lists.flat(2)) - units(seen);
}

test('each point of the curve is what a budget of that many CIDRs gives, from the fewest there can be', () => {
  const random = new Random(30);
  for (let instance = 0; instance < 60; instance++) {
    const list = record(random);
    const whole = generate(list);
    const { points, suggested, observed: seen } = curveOf(whole.rules, whole.denied);
    assert.equal(points.at(-1)!.cost, 0);
    for (const [at, { cost, count }] of points.entries()) {
      const generated = generate(list, count);
      // The policy calls over-grant what the curve does.
      assert.deepEqual(generated.grant, { allowed: seen + cost, observed: seen });
      assert.equal(generated.lists.flat(2).length, count);
      assert.equal(unobserved(generated), cost);
      assert.ok(at === 0 || (count > points[at - 1]!.count && cost < points[at - 1]!.cost));
      for (const prefix of generated.lists.flat(2)) {
        assert.ok(!DENY.some((deny) => overlaps(deny, prefix)), formatPrefix(prefix));
      }
    }
    assert.ok(points.includes(suggested));
  }
});

test('a budget that is too small is answered with the fewest CIDRs there can be', () => {
  const random = new Random(31);
  let refused = 0;
  for (let instance = 0; instance < 60; instance++) {
    const list = record(random);
    const whole = generate(list);
    const least = curveOf(whole.rules, whole.denied).points[0]!.count;
    assert.ok(generate(list, least).lists.flat(2).length === least);
    if (least === 1) continue;
    refused++;
    assert.throws(() => generate(list, least - 1), {
      code: 'usage',
      message: `${least - 1} CIDRs cannot hold what was observed; the fewest are ${least}`,
      remedy: new RegExp(`--max-cidrs ${least} or more`),
    });
  }
  assert.ok(refused > 40);
});

test('the suggested budget is where the curve bends, and most of what it allows was observed', () => {
  const near = Array.from({ length: 16 }, (_, at) => observed({ address: 0x34000000n + BigInt(at) * 2n }));
  const far = [0x34800000n, 0x34c00000n].map((address) => observed({ address }));
  const dense = generatePolicy(input([...near, ...far]), OPTIONS);
  assert.equal(curveOf(dense.rules, dense.denied).suggested.count, 3);
  const sparse = generatePolicy(input([observed({ address: 0x34000000n }), ...far]), OPTIONS);
  assert.equal(curveOf(sparse.rules, sparse.denied).suggested.count, 3);
});

test('--owners takes IPv6 blocks too, the longest one around an address', () => {
  const owners = new OwnerTable(
    ['2600::/32', '2600:0:1::/48', '52.0.0.0/16'].map((text, at) => ({
      owner: `owner${at}`,
      prefix: parsePrefix(text)!,
    })),
  );
  const list = ['2600:0:1::5', '2600:0:2::5', '2601::1', '52.0.9.9'].map((text) => {
    const { family, value } = parsePrefix(text)!;
    return observed({ family, address: value });
  });
  const { lists } = generatePolicy(input(list), { ...OPTIONS, owners });
  assert.deepEqual(lists.flat(2).map(formatPrefix), ['52.0.0.0/16', '2600::/32', '2601::1/128']);
  const denied = [parsePrefix('2600:0:2::/48')!];
  const cut = generatePolicy(input(list.toSpliced(1, 1)), { ...OPTIONS, owners, deny: denied });
  assert.deepEqual(cut.lists.flat(2).map(formatPrefix), ['52.0.0.0/16', '2600:0:1::/48', '2601::1/128']);
  assert.ok(coversPrefixes(cut.denied, denied));
});
