import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../arbitrary/fast-check.ts';
import { generatePolicy, type Generated, type GenerateOptions } from '../../../generator/generate.ts';
import { mergeWithBase } from '../../../generator/merge.ts';
import { findSuperfluous } from '../../../generator/prove.ts';
import { joinAddresses, type DestinationKind } from '../../../generator/name/by-name.ts';
import { joinForReview, prepareRecord } from '../../../generator/review/review.ts';
import { ReviewSession } from '../../../generator/review/review-session.ts';
import type { Decision } from '../../../generator/review/decision.ts';
import { sumEvidence } from '../../../generator/subject/evidence.ts';
import { diffPolicies } from '../../../policy/analysis/diff.ts';
import { printPolicy } from '../../../policy/file/print.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { activityOf, input, observed, OPTIONS, policyOf, START } from './fixture.ts';
import { findDrift } from './drift/find-drift.ts';

const HOUR = 3_600_000_000;

/** A policy of events that were told apart by names. */
function generated(
  apart: readonly RecordedObservation[],
  destinations: DestinationKind,
  more: Partial<GenerateOptions> = {},
): Generated {
  const record = input(joinAddresses(apart), { apart, activity: activityOf(apart) });
  return generatePolicy(record, { ...OPTIONS, destinations, ...more });
}

const textOf = ({ document }: Generated) => printPolicy(document);

/** The destinations of the rules, each on a line. */
function destinations(each: Generated): string[] {
  return Array.from(textOf(each).matchAll(/- (\{ (?:name|cidr): .*)/g), ([, to]) => to!);
}

/** Events at public addresses, 1.1.1.`low`, known by names. */
const at = (
  low: number,
  names: string[] | undefined,
  change: Parameters<typeof observed>[0] = {},
): RecordedObservation =>
  observed({
    address: 0x01010100n + BigInt(low),
    ...(names && { names, known: { by: 'self', age: -10 } }),
    ...change,
  });

test('what every event asked for by name is allowed by name, at all addresses that the name had', () => {
  const apart = [
    at(1, ['api.example'], { count: 5 }),
    at(2, ['api.example', 'other.example'], { count: 3, known: { by: 'cgroup', age: 7100 } }),
    at(3, ['b.example'], { count: 2 }),
  ];
  const policy = generated(apart, 'auto');
  assert.deepEqual(destinations(policy), [
    '{ name: [api.example, b.example], port: [443], protocol: [tcp], keep: 6h }',
  ]);
  const text = textOf(policy);
  assert.match(
    text,
    /^ {4}# 10 events by 2 names, 3 addresses seen, shared with up to 1 other name; 7 asked by the program itself; keep 6h covers all \(longest 1h58m20s after the TTL\)$/m,
  );
  assert.match(text, /review: shared address, which other names have too: api\.example:443\/tcp/);
  assert.deepEqual(findDrift(policyOf(text), apart).new, []);
  assert.match(textOf(generated(apart, 'address')), /cidr: \[1\.1\.1\.1, 1\.1\.1\.2\/31\]|cidr: \[/);
});

test('what is not known by a name for sure, or is no public address, is allowed by address', () => {
  const cases: Record<string, RecordedObservation[]> = {
    'an event without a name': [at(1, ['api.example']), at(1, undefined)],
    'a name of several, asked for by anybody': [
      at(1, ['a.example', 'b.example'], { known: { by: 'host', age: 0 } }),
    ],
    'a private address': [at(1, ['api.example'], { address: 0x0a000001n })],
    'a name that no rule can have': [at(1, ['a!b.example'])],
    'an address as a name': [at(1, ['1.1.1.1'])],
  };
  for (const [what, apart] of Object.entries(cases)) {
    for (const by of ['auto', 'name'] as const) {
      const found = destinations(generated(apart, by));
      assert.equal(found.length, 1, what);
      assert.match(found[0]!, /^\{ cidr: /, what);
    }
  }
  const single = generated([at(1, ['api.example'], { known: { by: 'host', age: 0 } })], 'auto');
  assert.match(destinations(single)[0]!, /^\{ name: \[api\.example\]/);
  assert.match(textOf(single), /review: .*name asked by another process of the host/);
});

const late = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
const early = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0];

test('of a service that changes its addresses names deny nothing later, and of one that changes its names addresses do', () => {
  const rotating = [
    at(1, ['cdn.example'], { blocks: early, count: 2 }),
    at(2, ['cdn.example'], { blocks: late, count: 2, first: START + HOUR, last: START + HOUR }),
  ];
  const byName = generated(rotating, 'auto');
  assert.deepEqual([byName.holdOut.events, byName.holdOut.denied, byName.holdOut.byAddress], [2, 0, 2]);
  assert.match(textOf(byName), /it would deny 0.* of 2 events in the rest; by address alone 100/);
  const renamed = [
    at(1, ['x1.example'], { blocks: early, count: 2 }),
    at(1, ['x2.example'], { blocks: late, count: 2, first: START + HOUR, last: START + HOUR }),
  ];
  assert.match(destinations(generated(renamed, 'auto'))[0]!, /^\{ cidr: /);
  assert.match(destinations(generated(renamed, 'name'))[0]!, /^\{ name: \[x1\.example, x2\.example\]/);
  assert.equal(generated(renamed, 'auto').holdOut.byAddress, undefined);
});

test('answers that were not read are no reason to refuse, unless all is to go by name', () => {
  const apart = [at(1, ['api.example'])];
  const input = {
    observations: joinAddresses(apart),
    apart,
    activity: activityOf(apart),
    losses: [{ recording: 1, kind: 'answer' as const, count: 3 }],
    recordings: 1,
    interrupted: 0,
  };
  assert.ok(generatePolicy(input, { ...OPTIONS, destinations: 'auto' }));
  assert.throws(
    () => generatePolicy(input, { ...OPTIONS, destinations: 'name' }),
    /the record lacks names: 3 answer/,
  );
  assert.ok(generatePolicy(input, { ...OPTIONS, destinations: 'name', allowLoss: true }));
});

/** Random events of two programs at few addresses, with and without names. */
const event = fc
  .record({
    exe: fc.constantFrom('/usr/bin/curl', '/usr/bin/wget'),
    low: fc.nat({ max: 5 }),
    inside: fc.nat({ max: 9 }),
    port: fc.constantFrom(80, 443),
    names: fc.option(
      fc.uniqueArray(fc.constantFrom('a.example', 'b.example', 'c.b.example', 'x!y'), {
        minLength: 1,
        maxLength: 3,
      }),
      { nil: undefined, freq: 5 },
    ),
    by: fc.constantFrom('self' as const, 'cgroup' as const, 'host' as const),
    age: fc.constantFrom(-5, 0, 3600, 3601, 90_000, 604_800, 700_000),
    block: fc.nat({ max: 9 }),
    count: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ age, block, by, count, exe, inside, low, names, port }) =>
    observed({
      subject: { exe, command: exe.slice(9) },
      address: (inside === 0 ? 0x0a000000n : 0x01010100n) + BigInt(low),
      port,
      count,
      first: START + block * HOUR,
      last: START + block * HOUR,
      blocks: Array.from({ length: 10 }, (_, each) => (each === block ? count : 0)),
      // A name that is older than an hour is the only one.
      ...(names && { names: age > 3600 ? names.slice(0, 1) : names, known: { by, age } }),
    }),
  );

/** As the record has them: equal events are one observation. */
const record = fc.array(event, { minLength: 1, maxLength: 25 }).map(foldEqual);

function foldEqual(events: readonly RecordedObservation[]): RecordedObservation[] {
  const folded = new Map<string, RecordedObservation>();
  for (const each of events) {
    const { address, known, names, port, subject } = each;
    folded.set(`${subject.exe} ${address} ${port} ${names?.join()} ${known?.by}`, each);
  }
  return [...folded.values()];
}

test('a policy denies nothing of its record with the names of each moment, whatever its destinations go by', () => {
  let named = 0;
  fc.assert(
    fc.property(record, fc.constantFrom('auto', 'name', 'address'), (apart, by) => {
      const policy = generated(apart, by as DestinationKind);
      const text = textOf(policy);
      const drift = findDrift(policyOf(text), apart);
      assert.deepEqual([drift.new, drift.disagreed], [[], []], text);
      if (text.includes('name: [')) named++;
      const observations = policy.demands.flatMap((demand) => demand.observations);
      assert.deepEqual(findSuperfluous(policy.rules, policy.names, policy.lists, observations), [], text);
      const lists = generated(apart, by as DestinationKind, { maxCidrs: 50 });
      assert.deepEqual(findDrift(policyOf(textOf(lists)), apart).new, []);
    }),
    { numRuns: 300 },
  );
  assert.ok(named > 80, `only ${named} policies had names: the generators miss`);
});

test('the order of the events changes nothing', () => {
  fc.assert(
    fc.property(record, (apart) => {
      assert.equal(textOf(generated(apart, 'auto')), textOf(generated(apart.toReversed(), 'auto')));
    }),
    { numRuns: 100 },
  );
});

/** A merge with what was seen a day later. */
function merged(base: string, apart: readonly RecordedObservation[], by: DestinationKind) {
  const later = apart.map((each) => ({ ...each, first: START + 24 * HOUR, last: START + 25 * HOUR }));
  const { demands } = generated(later, 'address', {});
  const each = demands.map(({ subject }) => ({
    subject,
    observations: later.filter((one) => one.subject.exe === subject.from.exe?.[0]),
  }));
  return mergeWithBase({ text: base, policy: policyOf(base) }, each, sumEvidence(later), undefined, by);
}

test('a merge leaves names as they are, and adds by name what is new', () => {
  const base = textOf(generated([at(1, ['api.example'])], 'auto'));
  assert.equal(merged(base, [at(9, ['api.example'])], 'auto').text, base, 'another address is nothing new');
  const grown = merged(base, [at(9, ['api.example']), at(10, ['new.example'])], 'auto');
  assert.equal(grown.added, 1);
  assert.match(
    grown.text,
    /# added: 1 event, .*\n +- \{ name: \[new\.example\], port: \[443\], protocol: \[tcp\] \}/,
  );
  assert.match(grown.text, /- \{ name: \[api\.example\], port: \[443\], protocol: \[tcp\] \}/);
  const unnamed = merged(base, [at(9, undefined)], 'auto');
  assert.match(unnamed.text, /cidr: \[1\.1\.1\.9\/32\]/);
  const byAddress = merged(base, [at(10, ['new.example'])], 'address');
  assert.match(byAddress.text, /cidr: \[1\.1\.1\.10\/32\]/);
});

/** The text after decisions on all destinations of a policy and its record. */
function reviewed(
  text: string,
  apart: readonly RecordedObservation[],
  decide: Record<string, Decision['decision']>,
) {
  const policy = policyOf(text);
  const session = new ReviewSession({ text, policy, record: prepareRecord(joinForReview(policy, apart)) });
  const asked = session.open.map(({ destination }) => destination);
  session.decide(
    session.open.flatMap(({ destination, rule }) =>
      decide[destination] === undefined ? [] : [{ rule, destination, decision: decide[destination] }],
    ),
  );
  return { asked, text: session.text };
}

test('review asks about names, and takes one out on its port without a deny rule', () => {
  const apart = [
    at(1, ['api.example']),
    at(2, ['api.example']),
    at(3, ['b.example']),
    at(1, ['api.example'], { port: 8443 }),
    at(3, ['b.example'], { port: 8443 }),
  ];
  const text = textOf(generated(apart, 'name'));
  assert.match(text, /name: \[api\.example, b\.example\], port: \[443, 8443\]/);
  const { asked, text: left } = reviewed(text, apart, { 'b.example:443/tcp': 'deny' });
  assert.deepEqual(asked.toSorted(), ['api.example:8443/tcp', 'b.example:443/tcp', 'b.example:8443/tcp']);
  assert.deepEqual(
    policyOf(left).boxes.filter(({ action }) => action === 'deny').length,
    1,
    'that of metadata',
  );
  assert.match(left, /^# ignored: .*to: \[\{ name: \[b\.example\], port: \[443\], protocol: \[tcp\] \}\]/m);
  const denied = findDrift(policyOf(left), apart).new;
  assert.deepEqual(
    denied.map(({ names, port }) => [names, port]),
    [[['b.example'], 443]],
  );
  assert.equal(merged(left, apart, 'auto').text, left, 'what was decided is not offered again');
});

/** A policy with a marked rule. */
const marked = (to: string) => `version: 2
network:
  mode: block
  allow:
    # review: seen once
    - { name: web, from: { exe: [/usr/bin/curl], uid: [1000] }, to: [${to}] }
`;

test('what a wildcard allows cannot be taken out alone, and a decision on an entry with addresses keeps its names', () => {
  const apart = [at(1, ['a.cdn.example']), at(1, ['a.cdn.example'], { port: 80 })];
  const wild = marked('{ name: ["*.cdn.example"], port: [443], protocol: [tcp] }');
  assert.throws(() => reviewed(wild, apart, { 'a.cdn.example:443/tcp': 'ignore' }), /cannot be taken out/);
  const narrowed = marked('{ name: [a.cdn.example], cidr: [1.1.1.0/24], port: [80, 443], protocol: [tcp] }');
  const { text } = reviewed(narrowed, apart, { 'a.cdn.example:443/tcp': 'ignore' });
  assert.match(
    text,
    /to: \[\{ name: \[a\.cdn\.example\], cidr: \[1\.1\.1\.0\/24\], port: \[80\], protocol: \[tcp\] \}\]/,
  );
  const difference = diffPolicies(policyOf(narrowed), policyOf(text));
  assert.deepEqual(difference.gained, []);
  assert.equal(difference.lost.length, 1);
});
