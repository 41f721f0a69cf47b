import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { type Address, formatAddress, parseAddress } from '../../../../policy/value/address.ts';
import {
  containsAddress,
  containsPrefix,
  formatPrefix,
  parsePrefix,
  type Prefix,
} from '../../../../policy/value/cidr.ts';
import {
  coversPrefixes,
  intersectPrefixes,
  mergePrefixes,
  subtractPrefixes,
} from '../../../../policy/value/prefix-set.ts';
import { address, prefix } from '../arbitrary.ts';

test('an address printed and parsed is the same address', () => {
  fc.assert(
    fc.property(address, (each) => {
      const text = formatAddress(each);
      assert.deepEqual(parseAddress(text), each);
      assert.ok(each.family === 4 ? isIPv4(text) : isIPv6(text), text);
    }),
    { numRuns: 5000 },
  );
});

test('what Node takes as an address is an address, and zones and other texts are not', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), fc.stringMatching(/^[0-9a-f:.]{0,20}$/)),
      (text) => {
        const known = (isIPv4(text) || isIPv6(text)) && !text.includes('%');
        assert.equal(parseAddress(text) !== undefined, known, text);
      },
    ),
    { numRuns: 20_000 },
  );
});

test('texts that programs read in different ways are no addresses', () => {
  for (const text of [
    '010.0.0.1',
    '1.2.3',
    '1.2.3.4.5',
    '0x7f.1',
    '127.1',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.-4',
    '',
  ]) {
    assert.equal(parseAddress(text), undefined, text);
  }
  for (const text of [
    'fe80::1%eth0',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    '::1.2.3',
    ':1',
  ]) {
    assert.equal(parseAddress(text), undefined, text);
  }
});

test('IPv6 is printed as RFC 5952 says', () => {
  for (const [text, canonical] of [
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['1::', '1::'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ]) {
    assert.equal(formatAddress(parseAddress(text!)!), canonical);
  }
});

test('a mapped IPv4 address or prefix is IPv4', () => {
  assert.deepEqual(parseAddress('::ffff:10.0.0.1'), parseAddress('10.0.0.1'));
  assert.deepEqual(parseAddress('::FFFF:a00:1'), parseAddress('10.0.0.1'));
  assert.deepEqual(parsePrefix('::ffff:10.0.0.0/104'), parsePrefix('10.0.0.0/8'));
  assert.deepEqual(parsePrefix('::ffff:0:0/96'), parsePrefix('0.0.0.0/0'));
  assert.equal(parsePrefix('::ffff:0:0/95')!.family, 6);
});

test('prefixes printed and parsed are the same, host bits are cleared, and lengths are checked', () => {
  fc.assert(fc.property(prefix, (each) => assert.deepEqual(parsePrefix(formatPrefix(each)), each)));
  assert.deepEqual(parsePrefix('10.1.2.3/8'), parsePrefix('10.0.0.0/8'));
  assert.deepEqual(parsePrefix('10.1.2.3'), parsePrefix('10.1.2.3/32'));
  for (const text of [
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '::/129',
    '10.0.0.0/8/8',
    '/8',
  ]) {
    assert.equal(parsePrefix(text), undefined, text);
  }
});

/** An 8-bit toy space at the end of IPv4 or IPv6, small enough to count. */
const toy = (family: 4 | 6): fc.Arbitrary<Prefix[]> => {
  const bits = family === 4 ? 32 : 128;
  const base = family === 4 ? 0xffffff00n : (1n << 128n) - 256n;
  const one = fc.tuple(fc.nat({ max: 255 }), fc.nat({ max: 8 })).map(([low, size]) => ({
    family,
    value: base + BigInt((low >> size) << size),
    length: bits - size,
  }));
  return fc.array(one, { maxLength: 12 });
};

const membersOf = (prefixes: readonly Prefix[], family: 4 | 6): boolean[] => {
  const base = family === 4 ? 0xffffff00n : (1n << 128n) - 256n;
  return Array.from({ length: 256 }, (_, low) =>
    prefixes.some((each) => containsAddress(each, { family, value: base + BigInt(low) })),
  );
};

/** The fewest prefixes for a set of an 8-bit space, by definition: a block is one, or else two halves. */
const fewest = (members: readonly boolean[]): number => {
  if (!members.includes(true)) return 0;
  if (!members.includes(false)) return 1;
  const half = members.length / 2;
  return fewest(members.slice(0, half)) + fewest(members.slice(half));
};

for (const family of [4, 6] as const) {
  test(`the algebra of IPv${family} prefixes equals that of sets in a toy space`, () => {
    fc.assert(
      fc.property(toy(family), toy(family), (a, b) => {
        const inA = membersOf(a, family);
        const inB = membersOf(b, family);
        const merged = mergePrefixes(a);
        assert.deepEqual(membersOf(merged, family), inA);
        assert.equal(merged.length, fewest(inA));
        const rest = subtractPrefixes(a, b);
        assert.deepEqual(
          membersOf(rest, family),
          inA.map((is, index) => is && !inB[index]),
        );
        const common = intersectPrefixes(a, b);
        assert.deepEqual(
          membersOf(common, family),
          inA.map((is, index) => is && inB[index]!),
        );
        assert.equal(
          coversPrefixes(a, b),
          inB.every((is, index) => !is || inA[index]),
        );
        for (const each of [rest, common]) assert.equal(each.length, fewest(membersOf(each, family)));
      }),
      { numRuns: 2000 },
    );
  });
}

const has = (prefixes: readonly Prefix[], at: Address) => prefixes.some((each) => containsAddress(each, at));

test('the algebra holds for random prefixes of both families and any address', () => {
  const list = fc.array(prefix, { maxLength: 10 });
  fc.assert(
    fc.property(list, list, fc.array(address, { minLength: 20, maxLength: 20 }), (a, b, addresses) => {
      const edges = [...a, ...b].map(({ family, value }) => ({ family, value }));
      const merged = mergePrefixes(a);
      const rest = subtractPrefixes(a, b);
      const common = intersectPrefixes(a, b);
      for (const at of [...addresses, ...edges]) {
        assert.equal(has(merged, at), has(a, at));
        assert.equal(has(rest, at), has(a, at) && !has(b, at));
        assert.equal(has(common, at), has(a, at) && has(b, at));
      }
      assert.deepEqual(mergePrefixes([...rest, ...common]), merged);
    }),
    { numRuns: 2000 },
  );
});

test('a prefix contains another exactly when it covers it', () => {
  fc.assert(
    fc.property(prefix, prefix, (a, b) => {
      assert.equal(containsPrefix(a, b), coversPrefixes([a], [b]));
    }),
    { numRuns: 5000 },
  );
});
