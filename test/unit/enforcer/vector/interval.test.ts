import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import {
  addBox,
  boxesWhere,
  emptyVector,
  sizeOf,
  VectorClasses,
} from '../../../../enforcer/vector/box-vector.ts';
import { type Span, sweep } from '../../../../enforcer/vector/interval.ts';

const MAX = 63;
const next = (value: number) => value + 1;

const span: fc.Arbitrary<Span<number>> = fc
  .tuple(fc.nat({ max: 511 }), fc.nat({ max: MAX }), fc.nat({ max: MAX }))
  .map(([box, one, other]) => ({ box, first: Math.min(one, other), last: Math.max(one, other) }));

test('each value lies in an interval of exactly the boxes whose spans hold it', () => {
  fc.assert(
    fc.property(fc.array(span, { maxLength: 20 }), fc.nat({ max: 511 }), (spans, always) => {
      const classes = new VectorClasses();
      const constant = emptyVector();
      addBox(constant, always);
      // A box that accepts everything has no spans, as in a policy.
      const rest = spans.filter(({ box }) => box !== always);
      const { starts, classes: found } = sweep(rest, constant, MAX, next, classes);
      assert.equal(starts[0], 0);
      for (let value = 0; value <= MAX; value += 1) {
        const expected = constant.slice();
        for (const { box, first, last } of rest) if (first <= value && value <= last) addBox(expected, box);
        const interval = starts.findLastIndex((start) => start <= value);
        assert.deepEqual(classes.vectors[found[interval]!], expected);
      }
    }),
    { numRuns: 500 },
  );
});

test('neighbours of the same class are one interval, and n spans make at most 2n + 1', () => {
  const classes = new VectorClasses();
  const adjoining = [
    { box: 3, first: 10, last: 19 },
    { box: 3, first: 20, last: 29 },
    { box: 3, first: 15, last: 25 },
  ];
  assert.deepEqual(sweep(adjoining, emptyVector(), MAX, next, classes).starts, [0, 10, 30]);
  fc.assert(
    fc.property(fc.array(span, { maxLength: 20 }), (spans) => {
      const { starts } = sweep(spans, emptyVector(), MAX, next, new VectorClasses());
      assert.ok(starts.length <= 2 * spans.length + 1);
    }),
  );
});

test('a span up to the last value of 128 bits has no end to sweep over', () => {
  const max = (1n << 128n) - 1n;
  const classes = new VectorClasses();
  const { starts } = sweep(
    [{ box: 0, first: max, last: max }],
    emptyVector(),
    max,
    (value) => value + 1n,
    classes,
  );
  assert.deepEqual(starts, [0n, max]);
});

test('equal vectors are one class, even when their hashes are those of others', () => {
  const classes = new VectorClasses();
  const vector = emptyVector();
  assert.equal(classes.classOf(vector), 0);
  for (let box = 0; box < 512; box += 1) {
    vector.fill(0);
    addBox(vector, box);
    assert.equal(classes.classOf(vector), box + 1);
  }
  for (let box = 0; box < 512; box += 1) {
    assert.equal(classes.classOf(boxesWhere(Array.from({ length: 512 }), () => false)), 0);
    vector.fill(0);
    addBox(vector, box);
    assert.equal(classes.classOf(vector), box + 1);
  }
});

test('box 31 and box 511 are the highest bits of their half words', () => {
  const vector = emptyVector();
  assert.equal(sizeOf(vector), 0);
  addBox(vector, 31);
  addBox(vector, 511);
  assert.equal(vector[0], 0x8000_0000);
  assert.equal(vector[15], 0x8000_0000);
  assert.notEqual(sizeOf(vector), 0);
});
