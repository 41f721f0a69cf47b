import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { eventsOf } from '../../../../generator/drift/entry.ts';
import { differenceOf, simulate } from '../../../../generator/drift/simulate.ts';
import { flowOf } from '../../../../generator/subject/flow.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import type { Policy } from '../../../../policy/meaning/policy.ts';
import { Accounts } from '../../../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';
import { observation, observed, policyOf } from '../fixture.ts';

const naming = { accounts: new Accounts() };

const allowing = (...rules: string[]): Policy =>
  policyOf(
    `version: 2\nnetwork:\n  mode: block\n  allow:\n${rules.map((rule) => `    - ${rule}\n`).join('')}`,
  );

const WEB =
  '{ name: web, from: { exe: [/usr/bin/curl] }, to: [{ cidr: [10.0.0.1/32], port: [443], protocol: [tcp] }] }';
const MORE = '{ name: more, from: { exe: [/usr/bin/curl] }, to: [{ cidr: [10.0.0.2/32] }] }';

const EVENTS = [
  observed({ count: 5 }),
  observed({ address: 0x0a000002n, count: 3 }),
  observed({ address: 0x0a000003n, count: 2 }),
  observed({ address: 0x0a000002n, count: 7, verdict: 'deny' }),
  observed({ address: 0x0a000003n, count: 11, verdict: 'deny' }),
  observed({ address: 0x0a000003n, count: 13, verdict: 'deny', monitored: true }),
  observed({ address: 0x0a000002n, count: 17, verdict: 'deny', monitored: true }),
];

test('each event is told by what became of it, and by what would', () => {
  const { blocked, opened, ...counts } = simulate(allowing(WEB, MORE), EVENTS, naming);
  // What was only noted went through.
  assert.deepEqual(counts, { events: 58, passed: 5 + 3 + 17, noted: 0, stopped: 11 });
  assert.deepEqual(
    blocked.map(({ address, count, rule }) => [address, count, rule?.name]),
    [['10.0.0.3', 2 + 13, 'web']],
  );
  assert.deepEqual(
    opened.map(({ address, count, rule }) => [address, count, rule]),
    [['10.0.0.2', 7, { name: 'more', relation: 'allowed by' }]],
  );
});

test('what is denied to subjects that are only monitored would go through, and is counted by itself', () => {
  const { blocked, opened, ...counts } = simulate(
    { ...allowing(WEB), modes: [{ name: 'all', from: { exe: ['/usr/bin/curl'] }, mode: 'monitor' }] },
    EVENTS,
    naming,
  );
  assert.deepEqual(counts, { events: 58, passed: 5 + 3 + 2 + 13 + 17, noted: 3 + 2 + 13 + 17, stopped: 0 });
  assert.deepEqual(blocked, []);
  assert.equal(eventsOf(opened), 7 + 11);
});

test('two policies are compared by what they say, whatever the kernel said', () => {
  const { closed, opened } = differenceOf(allowing(WEB), allowing(MORE), EVENTS, naming);
  const told = (list: typeof closed) =>
    list.map(({ address, count, rule, recorded }) => [address, count, rule, recorded]);
  assert.deepEqual(told(closed), [
    ['10.0.0.1', 5, { name: 'more', relation: 'other destination' }, undefined],
  ]);
  assert.deepEqual(told(opened), [
    ['10.0.0.2', 3 + 7 + 17, { name: 'more', relation: 'allowed by' }, undefined],
  ]);
  assert.deepEqual(differenceOf(allowing(WEB), allowing(WEB), EVENTS, naming), { closed: [], opened: [] });
});

const wasStopped = ({ monitored, verdict }: RecordedObservation) => verdict === 'deny' && !monitored;

/** A candidate that has to do with the events: it allows some of their subjects some of their addresses. */
const candidate = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        '',
        'from: { exe: [/usr/bin/curl] }, ',
        'from: { uid: [1000] }, ',
        'from: { uid: [0] }, ',
      ),
      fc.constantFrom('10.0.0.0/29', '10.0.0.4/30', '10.0.0.0/8', '0.0.0.0/0', '::/0'),
      fc.constantFrom('', ', port: [443]', ', protocol: [udp]'),
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((rules) =>
    allowing(
      ...rules.map(([from, cidr, more], at) => `{ name: r${at}, ${from}to: [{ cidr: ["${cidr}"]${more} }] }`),
    ),
  );

test('on random records it is what evaluate() says, event by event', () => {
  fc.assert(
    fc.property(fc.array(observation, { maxLength: 40 }), candidate, candidate, (list, policy, other) => {
      const found = simulate(policy, list, naming);
      const denies = (each: RecordedObservation, by = policy) => evaluate(by, flowOf(each)).action === 'deny';
      const expected = (filter: (each: RecordedObservation) => boolean) => eventsOf(list.filter(filter));
      assert.equal(
        eventsOf(found.blocked),
        expected((each) => !wasStopped(each) && denies(each)),
      );
      assert.equal(
        eventsOf(found.opened),
        expected((each) => wasStopped(each) && !denies(each)),
      );
      assert.equal(
        found.stopped,
        expected((each) => wasStopped(each) && denies(each)),
      );
      assert.equal(
        found.passed,
        expected((each) => !wasStopped(each) && !denies(each)),
      );
      const { closed, opened } = differenceOf(other, policy, list, naming);
      assert.equal(
        eventsOf(closed),
        expected((each) => denies(each) && !denies(each, other)),
      );
      assert.equal(
        eventsOf(opened),
        expected((each) => !denies(each) && denies(each, other)),
      );
    }),
  );
});
