import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { DestinationNumbers } from '../../../../generator/destination/destination-numbers.ts';
import { observedDestination } from '../../../../generator/destination/destination.ts';
import type { Observation } from '../../../../profiler/read/observation.ts';

const MAPPED = 0xffffn << 32n;

const destination = fc.record({
  family: fc.constantFrom(4 as const, 6 as const),
  // The unspecified address, this host, and one address in three forms.
  address: fc.constantFrom(0n, 1n, 0x7f000001n, 0x0a000001n, MAPPED + 0x0a000001n, 1n << 100n),
  port: fc.constantFrom(0, 53, 443),
  protocol: fc.constantFrom(1, 6, 17, 58),
  name: fc.constantFrom(undefined, undefined, 'a.example.com'),
  socket: fc.constantFrom(undefined, undefined, undefined, 'raw' as const, 'packet' as const),
});

function observationAt({
  name,
  socket,
  ...where
}: typeof destination extends fc.Arbitrary<infer T> ? T : never) {
  const fits = where.family === 6 || where.address <= 0xffff_ffffn;
  return {
    ...where,
    address: fits ? where.address : 1n,
    ...(name !== undefined && { name }),
    ...(socket !== undefined && { socket }),
  } as Observation;
}

test('two destinations have the same number just where they read the same', () => {
  fc.assert(
    fc.property(fc.array(destination, { maxLength: 60 }), (list) => {
      const numbers = new DestinationNumbers();
      const byText = new Map<string, number>();
      for (const each of list.map(observationAt)) {
        const number = numbers.of(each);
        const text = observedDestination(each);
        assert.equal(number, byText.get(text) ?? byText.size, text);
        byText.set(text, number);
      }
    }),
    { numRuns: 500 },
  );
});
