import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { generatePolicy } from '../../../../generator/generate.ts';
import type { Policy } from '../../../../policy/meaning/policy.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';
import { policy as policies } from '../../policy/arbitrary.ts';
import { input, observation, observed, OPTIONS, policyOf, START, unlessNoData } from '../fixture.ts';
import { findDrift } from './find-drift.ts';

const POLICY = policyOf(
  `version: 2
network:
  mode: block
  deny:
    - name: no metadata
      to: [{ cidr: [169.254.169.254/32] }]
  allow:
    - name: web fetches
      from: { exe: [/usr/bin/curl], uid: [1000] }
      to: [{ cidr: [10.0.0.0/30], port: [443], protocol: [tcp] }]
    - name: database
      from: { exe: [/usr/bin/psql] }
      to: [{ cidr: [10.0.9.0/24], port: [5432], protocol: [tcp] }]
`,
);

function learnt(list: readonly RecordedObservation[]): Policy | undefined {
  // Also of programs that are known by their name alone: what is left out would be new.
  const options = { ...OPTIONS, allowCommandRules: true };
  const generated = unlessNoData(() => generatePolicy(input(list), options));
  return generated && policyOf(printPolicy(generated.document));
}

test('what is allowed is no drift', () => {
  assert.deepEqual(findDrift(POLICY, [observed()]), { new: [], denied: [], disagreed: [], shared: [] });
});

test('a connection that went through but is not allowed is new, with the rule that comes nearest', () => {
  const list = [
    observed({ port: 8443, count: 3, first: START + 5, last: START + 9 }),
    observed({ port: 8443, count: 2, first: START + 1, last: START + 6, subject: { cgroup: '/other' } }),
    observed({ address: 0x0a000905n, port: 5432, subject: { exe: '/usr/bin/nc', command: 'nc' } }),
    observed({ address: 0x08080808n, subject: { exe: '/usr/bin/nc', command: 'nc' } }),
  ];
  const drift = findDrift(POLICY, list);
  assert.deepEqual(drift.denied, []);
  assert.deepEqual(drift.new[0], {
    subject: '/usr/bin/curl uid 1000',
    command: 'curl',
    exe: '/usr/bin/curl',
    uid: 1000,
    inContainer: false,
    address: '10.0.0.1',
    port: 8443,
    protocol: 'tcp',
    count: 5,
    first: START + 1,
    last: START + 9,
    rule: { name: 'web fetches', relation: 'other destination' },
  });
  assert.deepEqual(
    drift.new.slice(1).map(({ address, rule }) => [address, rule]),
    [
      ['8.8.8.8', undefined],
      ['10.0.9.5', { name: 'database', relation: 'other subject' }],
    ],
  );
});

test('a denied attempt is reported with the deny rule that decides', () => {
  const drift = findDrift(POLICY, [observed({ address: 0xa9fea9fen, port: 80, verdict: 'deny' })]);
  assert.deepEqual(drift.new, []);
  assert.deepEqual(
    drift.denied.map(({ rule }) => rule),
    [{ name: 'no metadata', relation: 'denied by' }],
  );
});

test('a denial that was only noted let the connection through: it is new', () => {
  const drift = findDrift(POLICY, [observed({ port: 22, verdict: 'deny', monitored: true })]);
  assert.deepEqual([drift.new.length, drift.denied.length], [1, 0]);
});

test('a denial that this policy would allow does not vanish: the kernel and the policy disagree', () => {
  const drift = findDrift(POLICY, [
    observed({ verdict: 'deny' }),
    observed({ verdict: 'deny', monitored: true, rule: 'no curl', subject: { cgroup: '/other' } }),
  ]);
  assert.deepEqual([drift.new, drift.denied, drift.disagreed.length], [[], [], 1]);
  const { count, rule, recorded } = drift.disagreed[0]!;
  assert.deepEqual(
    [count, rule, recorded],
    [2, { name: 'web fetches', relation: 'allowed by' }, { verdict: 'denied' }],
  );
});

test('a denial outside containers is told of by a policy that judges containers alone', () => {
  const drift = findDrift({ ...POLICY, target: 'container' }, [
    observed({ verdict: 'deny', monitored: true, rule: 'no curl' }),
  ]);
  assert.deepEqual(
    drift.disagreed.map(({ rule, recorded }) => [rule, recorded]),
    [[undefined, { verdict: 'would be denied', rule: 'no curl' }]],
  );
});

test('what the kernel allowed by a rule that does not read so is no new connection but a disagreement', () => {
  const linked = { exe: '/usr/bin/curl-8.5' };
  const drift = findDrift(POLICY, [
    observed({ rule: 'web fetches', subject: linked }),
    observed({ rule: 'web fetches', subject: linked, port: 8443 }),
    observed({ rule: 'gone', subject: linked, port: 443, address: 0x0a000002n }),
  ]);
  assert.deepEqual(
    drift.disagreed.map(({ address, port, recorded }) => [address, port, recorded]),
    [['10.0.0.1', 443, { verdict: 'allowed', rule: 'web fetches' }]],
  );
  assert.deepEqual(
    drift.new.map(({ address, port }) => [address, port]),
    [
      ['10.0.0.1', 8443],
      ['10.0.0.2', 443],
    ],
  );
});

test('every denial is in the report, whatever the policy', () => {
  fc.assert(
    fc.property(fc.array(observation, { minLength: 1, maxLength: 30 }), policies, (list, policy) => {
      const { new: fresh, denied, disagreed } = findDrift(policy, list);
      const told = [...fresh, ...denied, ...disagreed].reduce((sum, { count }) => sum + count, 0);
      const refused = list.filter(({ verdict }) => verdict === 'deny');
      assert.ok(told >= refused.reduce((sum, { count }) => sum + count, 0));
    }),
    { numRuns: 300 },
  );
});

test('with target container, processes of the host are no drift', () => {
  const list = [
    observed({ port: 22 }),
    observed({ port: 22, subject: { inContainer: true, container: 'web' } }),
  ];
  const drift = findDrift({ ...POLICY, target: 'container' }, list);
  assert.deepEqual(
    drift.new.map(({ subject }) => subject),
    ['container web uid 1000'],
  );
});

test('the rule of a program on the host allows no container, also one of an unknown runtime', () => {
  const inside = [{ container: 'web' }, { cgroup: '/boxes/one' }, { cgroup: '/' }];
  const drift = findDrift(
    POLICY,
    inside.map((place) => observed({ subject: { ...place, inContainer: true } })),
  );
  assert.deepEqual(
    drift.new.map(({ subject, inContainer, rule }) => [subject, inContainer, rule?.relation]),
    [
      ['container web uid 1000', true, 'other subject'],
      ['unknown container in /boxes/one uid 1000', true, 'other subject'],
      ['unknown container uid 1000', true, 'other subject'],
    ],
  );
});

test('a policy learnt from a record finds nothing new in it, whatever its order', () => {
  fc.assert(
    fc.property(fc.array(observation, { minLength: 1, maxLength: 30 }), (list) => {
      const policy = learnt(list);
      if (policy === undefined) return;
      const drift = findDrift(policy, list);
      const named = drift.new.filter(
        ({ subject }) => !/^unknown (?:process|container) uid|no rule can name it/.test(subject),
      );
      for (const { address } of named.filter((entry) => entry.rule?.name !== 'cloud metadata')) {
        assert.ok(
          list.some((each) => each.verdict === 'deny' && each.monitored),
          address,
        );
      }
      assert.deepEqual(findDrift(policy, list.toReversed()), drift);
    }),
    { numRuns: 300 },
  );
});

const BY_NAME = policyOf(
  `version: 2
network:
  mode: block
  allow:
    - name: web fetches
      from: { exe: [/usr/bin/curl], uid: [1000] }
      to: [{ name: [api.example], port: [443], protocol: [tcp] }]
`,
);

const askedBy = (by: 'self' | 'host', age: number) => ({ by, age });
const newByName = (list: RecordedObservation[]) =>
  findDrift(BY_NAME, list).new.map(({ address, count, names }) => [address, count, names]);

test('what a rule by name allows is judged by the names of that moment, and never by names of other events', () => {
  const place = { address: 0x01010101n, port: 443 };
  assert.deepEqual(
    newByName([observed({ ...place, names: ['api.example'], known: askedBy('host', 3600) })]),
    [],
  );
  const others = [
    observed({ ...place, count: 2, names: ['api.example'], known: askedBy('self', 3601) }),
    observed({ ...place, count: 3, names: ['other.example'], known: askedBy('self', 0) }),
    observed({ ...place, count: 4 }),
    // Names that were gathered over events say of none that it had them.
    observed({ ...place, count: 5, names: ['api.example'] }),
  ];
  assert.deepEqual(newByName(others), [['1.1.1.1', 14, ['api.example', 'other.example']]]);
  const inside = observed({ address: 0x0a000005n, names: ['api.example'], known: askedBy('self', 0) });
  assert.deepEqual(newByName([inside]), [['10.0.0.5', 1, ['api.example']]]);
});

test('what the kernel allowed by a name that the record lacks is a disagreement', () => {
  const place = { address: 0x01010101n, port: 443, rule: 'web fetches' };
  const { disagreed, new: fresh } = findDrift(BY_NAME, [observed(place)]);
  assert.deepEqual([disagreed.length, fresh.length], [1, 0]);
  const inside = findDrift(BY_NAME, [observed({ ...place, address: 0x0a000005n })]);
  assert.deepEqual([inside.disagreed.length, inside.new.length], [0, 1]);
});

const knownAt = (address: bigint, name: string | undefined, age: number, change: object = {}) =>
  observed({
    address,
    ...(name !== undefined && { names: [name], known: askedBy('self', age) }),
    ...change,
  });

test('what names have to do with a connection that is not allowed is told', () => {
  const policy = policyOf(`version: 2
network:
  mode: block
  allow:
    - name: web fetches
      from: { exe: [/usr/bin/curl], uid: [1000] }
      to: [{ name: [api.example], port: [443], protocol: [tcp] }, { cidr: [9.9.9.0/24], port: [80], protocol: [tcp] }]
    - { name: database, from: { exe: [/usr/bin/psql] }, to: [{ cidr: [10.0.9.0/24], port: [5432] }] }
`);
  const kindOf = (...list: RecordedObservation[]) =>
    findDrift(policy, list).new.map((each) => each.nameDrift);
  const http = { port: 80 };
  assert.deepEqual(kindOf(knownAt(0x01010101n, 'api.example', 0)), [], 'allowed');
  assert.deepEqual(kindOf(knownAt(0x01010101n, 'other.example', 0)), ['new name']);
  assert.deepEqual(kindOf(knownAt(0x01010101n, undefined, 0)), ['unknown name']);
  const unbelieved = { known: { by: 'unbelieved' as const, age: 0 } };
  assert.deepEqual(kindOf(knownAt(0x01010101n, 'api.example', 0, unbelieved)), ['unbelieved name']);
  assert.deepEqual(kindOf(knownAt(0x01010101n, 'api.example', 9000)), ['expired, keep would have to be 6h']);
  assert.deepEqual(kindOf(knownAt(0x0a000005n, 'api.example', 0)), ['private']);
  const moved = [knownAt(0x09090909n, 'cdn.example', 0, http), knownAt(0x08080808n, 'cdn.example', 0, http)];
  assert.deepEqual(kindOf(...moved), ['moved']);
  const psql = { exe: '/usr/bin/psql', command: 'psql' };
  assert.deepEqual(kindOf(knownAt(0x01010101n, 'api.example', 0, { subject: psql })), [undefined]);
});

/** The kinds of what policies with these rules do not allow. */
function kindsOf(rules: string, ...list: RecordedObservation[]): (string | undefined)[] {
  const policy = policyOf(`version: 2\nnetwork:\n  mode: block\n  allow:${rules}\n`);
  return findDrift(policy, list).new.map((each) => each.nameDrift);
}

test('a rule for every program tells as much of names, and is no word about who goes by them', () => {
  const everybody = `
    - { name: updates, to: [{ name: [api.example], port: [443] }, { cidr: [9.9.9.0/24], port: [80] }] }`;
  const database = `
    - { name: database, from: { exe: [/usr/bin/psql] }, to: [{ cidr: [10.0.9.0/24], port: [5432] }] }`;
  const http = { port: 80 };
  for (const rules of [everybody, everybody + database]) {
    assert.deepEqual(kindsOf(rules, knownAt(0x01010101n, 'api.example', 9000)), [
      'expired, keep would have to be 6h',
    ]);
    assert.deepEqual(kindsOf(rules, knownAt(0x0a000005n, 'api.example', 0)), ['private']);
    const moved = [
      knownAt(0x09090909n, 'cdn.example', 0, http),
      knownAt(0x08080808n, 'cdn.example', 0, http),
    ];
    assert.deepEqual(kindsOf(rules, ...moved), ['moved']);
  }
  const others = [knownAt(0x01010101n, 'other.example', 0), knownAt(0x01010102n, undefined, 0)];
  assert.deepEqual(
    kindsOf(everybody, ...others),
    ['new name', 'unknown name'],
    'a policy that names no subject',
  );
  assert.deepEqual(kindsOf(everybody + database, ...others), [undefined, undefined]);
});

test('what is allowed by a name that its subject asked for never, only others, is told beside it', () => {
  const policy = policyOf(`version: 2
network:
  mode: block
  allow:
    - { name: web fetches, from: { exe: [/usr/bin/curl] }, to: [{ name: [api.example, www.example], port: [443] }] }
`);
  const place = { address: 0x01010101n, port: 443 };
  const asked = (names: string[], change: object = {}): RecordedObservation =>
    observed({ ...place, names, known: askedBy('self', 0), ...change });
  const sharedOf = (...list: RecordedObservation[]) =>
    findDrift(policy, list).shared.map(({ address, names, rule }) => [address, names, rule?.name]);
  const both = ['other.example', 'api.example'];
  assert.deepEqual(sharedOf(asked(both)), [['1.1.1.1', both, 'web fetches']]);
  assert.deepEqual(
    sharedOf(asked(['www.example', 'other.example'])),
    [],
    'it asked for the one that is allowed',
  );
  const elsewhere = asked(['api.example'], { address: 0x02020202n });
  assert.deepEqual(sharedOf(asked(both), elsewhere), [], 'it asks for the other one too');
  const wget = { exe: '/usr/bin/wget', command: 'wget' };
  assert.equal(sharedOf(asked(both), { ...elsewhere, subject: { ...elsewhere.subject, ...wget } }).length, 1);
  assert.deepEqual(
    sharedOf(asked(both, { known: askedBy('host', 0) })),
    [],
    'nobody knows what it asked for',
  );
  assert.deepEqual(findDrift(policy, [asked(both)]).new, []);
});
