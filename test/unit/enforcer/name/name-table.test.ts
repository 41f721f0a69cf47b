import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_KEEPS, PatternKey } from '../../../../bpf/wire.ts';
import { knownKey, knownValue, patternKey, slotsOf } from '../../../../enforcer/name/known-address.ts';
import { compileNames, nameClass } from '../../../../enforcer/name/name-table.ts';
import type { Box, To } from '../../../../policy/meaning/policy.ts';
import { parseAddress } from '../../../../policy/value/address.ts';

function allow(...destinations: To[]): Box[] {
  return destinations.map((to, index) => ({ action: 'allow', name: `rule ${index}`, from: {}, to }));
}

/** The boxes of a vector. */
function boxesOf(vector: Uint32Array | undefined): number[] {
  return Array.from({ length: 512 }, (_, box) => box).filter(
    (box) => ((vector?.[box >> 5] ?? 0) >>> (box & 31)) & 1,
  );
}

test('a name opens the boxes of each pattern that matches it, and its longest one has them all', () => {
  const tables = compileNames(
    allow(
      { names: ['a.b.example', 'other.example'] },
      { names: ['*.b.example'] },
      { names: ['*.example'] },
      { names: ['*'] },
      { ports: [{ first: 80, last: 80 }] },
    ),
  );
  const opened = (name: string) => boxesOf(tables.classes[nameClass(tables, name)]);
  assert.deepEqual(opened('a.b.example'), [0, 1, 2, 3]);
  assert.deepEqual(opened('x.y.b.example'), [1, 2, 3]);
  assert.deepEqual(opened('b.example'), [2, 3]);
  assert.deepEqual(opened('other.example'), [0, 2, 3]);
  assert.deepEqual(opened('notexample'), [3]);
  assert.deepEqual(opened('example'), [3]);
  assert.deepEqual(boxesOf(tables.nameless), [4]);
});

test('a name that no pattern matches opens nothing', () => {
  const tables = compileNames(allow({ names: ['*.b.example'] }));
  for (const name of ['b.example', 'example', 'notb.example', 'b.example.net'])
    assert.equal(nameClass(tables, name), 0, name);
});

test('the boxes that are kept become fewer with the time that has passed', () => {
  const names = ['a.example'];
  const tables = compileNames(
    allow({ names, keep: 0 }, { names, keep: 60 }, { names, keep: Infinity }, { names }, {}),
  );
  assert.deepEqual(tables.keeps, [0, 60, 3600, Infinity]);
  assert.deepEqual(tables.kept.map(boxesOf), [[0, 1, 2, 3], [1, 2, 3], [2, 3], [2]]);
});

test('a name is kept for as long as one of the rules that it opens says, whatever others do', () => {
  const tables = compileNames(
    allow(
      { names: ['*.cdn.example'] },
      { names: ['a.cdn.example'], keep: 60 },
      { names: ['old.example'], keep: Infinity },
      { names: ['brief.example'], keep: 0 },
    ),
  );
  const longest = (name: string) => tables.longest[nameClass(tables, name)];
  const names = ['x.cdn.example', 'a.cdn.example', 'old.example', 'brief.example', 'other.example'];
  assert.deepEqual(names.map(longest), [3600, 3600, Infinity, 0, 0]);
});

function named(count: number): Box[] {
  return allow(...Array.from({ length: count }, (_, keep) => ({ names: ['a.example'], keep })));
}

test('more times than the kernel side tells apart are an error', () => {
  assert.equal(compileNames(named(MAX_KEEPS)).keeps.length, MAX_KEEPS);
  assert.throws(() => compileNames(named(MAX_KEEPS + 1)), /8 different times for `keep`.* takes 7/);
});

test('a box for sockets asks for no name', () => {
  const tables = compileNames(allow({ sockets: ['raw'] }));
  assert.deepEqual(boxesOf(tables.nameless), [0]);
  assert.equal(tables.patterns.size, 0);
});

/** The part of a pattern's key that counts. */
function written(pattern: string): string {
  const key = patternKey(pattern, 1);
  const bits = key.readUInt32LE(PatternKey.offset.bits);
  return key.toString('latin1', PatternKey.offset.text, PatternKey.offset.text + bits / 8);
}

test('the key of a pattern is its text backwards, down to where its names differ', () => {
  assert.equal(written('a.example'), '\u0001elpmaxe.a\0');
  assert.equal(written('*.example'), '\u0001elpmaxe.');
  assert.equal(written('*'), '\u0001');
});

function addressKey(text: string): string {
  return knownKey({ side: 1, namespace: 7, address: parseAddress(text)! }).toString('hex');
}

test('an IPv4 address has the key of its mapped form, and slots are read as they were written', () => {
  assert.equal(addressKey('1.2.3.4'), `0100000007000000${'00'.repeat(8)}04030201ffff0000`);
  assert.equal(addressKey('2a00::1'), `0100000007000000000000000000002a0100000000000000`);
  const slots = [
    { class: 3, end: 1000 },
    { class: 4095, end: 0xffff_ffff },
  ];
  assert.deepEqual(slotsOf(knownValue(slots, 3)), slots);
});
