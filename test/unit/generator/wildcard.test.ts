import assert from 'node:assert/strict';
import test from 'node:test';
import { suffixes } from '../../../cli/run/public-suffix.ts';
import { generatePolicy, type Generated } from '../../../generator/generate.ts';
import { joinAddresses } from '../../../generator/name/by-name.ts';
import { printPolicy } from '../../../policy/file/print.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { activityOf, input, observed, OPTIONS, policyOf, START } from './fixture.ts';
import { findDrift } from './drift/find-drift.ts';

const HOUR = 3_600_000_000;
const EARLY = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
const LATE = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1];

let next = 1;

/** Events at an address of its own, known by a name, in a part of the window. */
function named(name: string, blocks: number[]): RecordedObservation {
  const at = blocks === LATE ? START + HOUR : START;
  const address = 0x01010000n + BigInt(next++);
  return observed({
    address,
    names: [name],
    known: { by: 'self', age: -10 },
    blocks,
    count: 2,
    first: at,
    last: at,
  });
}

function generated(early: string[], late: string[]): Generated & { apart: RecordedObservation[] } {
  const apart = [...early.map((name) => named(name, EARLY)), ...late.map((name) => named(name, LATE))];
  const record = input(joinAddresses(apart), { apart, activity: activityOf(apart) });
  return { ...generatePolicy(record, { ...OPTIONS, destinations: 'auto', suffixes }), apart };
}

/** The names that rules allow. */
function namesIn({ document }: Generated): string[] {
  return (document.allow as { to: { name?: string[] }[] }[])
    .flatMap(({ to }) => to.flatMap(({ name }) => name ?? []))
    .sort();
}

test('a wildcard stands for the names of a domain to which new ones keep coming', () => {
  const shards = [
    'a1.cdn.example.net',
    'b2.cdn.example.net',
    'c3.cdn.example.net',
    'cdn.example.net',
    'api.example.org',
  ];
  const policy = generated(shards, ['d4.cdn.example.net', 'x.y.cdn.example.net']);
  assert.deepEqual(namesIn(policy), ['*.cdn.example.net', 'api.example.org', 'cdn.example.net']);
  assert.equal(policy.holdOut.denied, 0);
  const text = printPolicy(policy.document);
  assert.match(text, /# \*\.cdn\.example\.net allows any number of names, 5 seen$/m);
  assert.match(
    text,
    /review: wildcard, which allows names that nobody has asked for yet: \*\.cdn\.example\.net:443\/tcp/,
  );
  assert.deepEqual(findDrift(policyOf(text), policy.apart).new, []);
});

test('names stay as they are where no new ones come, where there are few, and where new ones have less in common', () => {
  const shards = ['a1.cdn.example.net', 'b2.cdn.example.net', 'c3.cdn.example.net'];
  assert.deepEqual(namesIn(generated(shards, [])), shards);
  const others = [
    [shards.slice(0, 2), ['d4.cdn.example.net']],
    [shards, ['api.example.net']],
  ] as const;
  for (const [early, late] of others) {
    const { document } = generated([...early], [...late]);
    assert.doesNotMatch(printPolicy(document), /\*\./);
  }
});

test('no wildcard covers what different people can have registered', () => {
  const users = ['a', 'b', 'c', 'd'].map((name) => `${name}.github.io`);
  const buckets = ['a', 'b', 'c', 'd'].map((name) => `${name}.s3.amazonaws.com`);
  const firms = ['a', 'b', 'c', 'd'].map((name) => `${name}.co.uk`);
  // `*.amazonaws.com` would allow every bucket as well.
  const services = ['sts', 'iam', 'ec2', 'route53'].map((name) => `${name}.amazonaws.com`);
  for (const names of [users, buckets, firms, services])
    assert.doesNotMatch(printPolicy(generated(names.slice(0, 3), names.slice(3)).document), /\*\./);
  const own = ['a', 'b', 'c', 'd'].map((name) => `${name}.ada.github.io`);
  assert.deepEqual(namesIn(generated(own.slice(0, 3), own.slice(3))), ['*.ada.github.io']);
});
