import assert from 'node:assert/strict';
import test from 'node:test';
import { SharedCover } from '../../../../generator/prefixes/cover.ts';
import { WIDEST } from '../../../../generator/prefixes/floor.ts';
import { coversPrefixes, mergePrefixes } from '../../../../policy/value/prefix-set.ts';
import { formatPrefix, parsePrefix, type Prefix } from '../../../../policy/value/cidr.ts';
import { Random } from '../random.ts';

const BASE = { 4: 0x0a000000n, 6: 0x2001_0db8n << 96n };

function prefixes(...texts: string[]): Prefix[] {
  return texts.map((text) => parsePrefix(text)!);
}

function cover(groups: readonly Prefix[][], budget: number, denied: Prefix[] = []): string[][] {
  const shared = new SharedCover(groups, { denied: mergePrefixes(denied), widest: WIDEST, zones: true });
  return shared.within(budget).map((group) => group.map(formatPrefix));
}

test('a large enough budget changes nothing', () => {
  assert.deepEqual(cover([prefixes('10.0.0.1', '10.0.0.3', 'fd00::1', 'fd00::2')], 4), [
    ['10.0.0.1/32', '10.0.0.3/32', 'fd00::1/128', 'fd00::2/128'],
  ]);
});

test('prefixes grow where they take in the least', () => {
  const hosts = prefixes('192.0.2.1', '192.0.2.2', '198.51.100.9');
  assert.deepEqual(cover([hosts], 2), [['192.0.2.0/30', '198.51.100.9/32']]);
});

test('private and public addresses never share a prefix, whatever the budget', () => {
  const hosts = prefixes('10.255.255.255', '11.0.0.0', '9.255.255.255');
  assert.throws(() => cover([hosts], 2), { code: 'usage', message: /the fewest are 3/ });
});

test('a public prefix is no wider than /8, and /32 for IPv6', () => {
  assert.deepEqual(cover([prefixes('52.0.0.1', '52.255.0.1')], 1), [['52.0.0.0/8']]);
  assert.throws(() => cover([prefixes('52.0.0.1', '53.0.0.1')], 1), { message: /the fewest are 2/ });
  assert.throws(() => cover([prefixes('2600:1::1', '2600:2::1')], 1), { message: /the fewest are 2/ });
});

test('a metadata address stays alone', () => {
  assert.throws(() => cover([prefixes('169.254.169.254', '169.254.169.253')], 1), {
    message: /the fewest are 2/,
  });
});

test('hosts of one IPv6 network cost nothing to join, networks do', () => {
  const hosts = prefixes('2001:db8::1', '2001:db8::ff', '2001:db8:0:2::1', '2001:db8:5::1');
  assert.deepEqual(cover([hosts], 3), [['2001:db8::/120', '2001:db8:0:2::1/128', '2001:db8:5::1/128']]);
  assert.deepEqual(cover([hosts], 2), [['2001:db8::/62', '2001:db8:5::1/128']]);
});

test('a denied address is cut around, and the least budget says what that takes', () => {
  const hosts = prefixes('192.0.2.0', '192.0.2.1', '192.0.2.3', '192.0.2.4');
  const denied = prefixes('192.0.2.2');
  assert.deepEqual(cover([hosts], 3, denied), [['192.0.2.0/31', '192.0.2.3/32', '192.0.2.4/32']]);
  assert.throws(() => cover([hosts], 2, denied), { message: /the fewest are 3/, remedy: /--max-cidrs 3/ });
  assert.deepEqual(cover([hosts], 1), [['192.0.2.0/29']]);
});

test('groups share the budget and keep their own prefixes', () => {
  const near = prefixes('192.0.2.1', '192.0.2.2');
  const far = prefixes('198.51.100.1', '198.51.200.1');
  assert.deepEqual(cover([near, far], 3), [['192.0.2.0/30'], ['198.51.100.1/32', '198.51.200.1/32']]);
});

test('random covers hold what was observed and nothing that is denied', () => {
  const random = new Random(5);
  for (let instance = 0; instance < 300; instance++) {
    const draw = (): Prefix => {
      const family = random.below(3) === 0 ? 6 : 4;
      const shift = family === 4 ? 0n : BigInt(56 + random.below(16));
      const value = BASE[family] + (BigInt(random.below(64)) << shift);
      return { family, value, length: family === 4 ? 32 : 128 };
    };
    const all = Array.from({ length: 2 + random.below(30) }, draw);
    const denied = mergePrefixes(Array.from({ length: random.below(4) }, draw));
    const group = mergePrefixes(all.filter((each) => !coversPrefixes(denied, [each])));
    if (group.length === 0) continue;
    const shared = new SharedCover([group], { denied, widest: WIDEST, zones: true });
    const least = shared.curve.at(-1)!.count;
    const [result] = shared.within(least + random.below(5));
    assert.ok(coversPrefixes(result!, group));
    for (const each of denied) {
      assert.ok(!result!.some((prefix) => coversPrefixes([prefix], [each])), formatPrefix(each));
    }
  }
});
