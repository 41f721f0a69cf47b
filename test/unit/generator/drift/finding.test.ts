import assert from 'node:assert/strict';
import test from 'node:test';
import { compare } from '../../../../generator/drift/drift.ts';
import { entryFindings } from '../../../../generator/drift/finding/entry-finding.ts';
import { groupFindings } from '../../../../generator/drift/finding/finding.ts';
import { Accounts } from '../../../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';
import { observed, policyOf, START } from '../fixture.ts';

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
`,
);

const findingsOf = (list: RecordedObservation[], accounts = new Accounts()) =>
  entryFindings(POLICY, compare(POLICY, list, { accounts }).cases);

const keys = (findings: { key: string }[]) => findings.map(({ key }) => key).sort();

const named = (address: bigint, exe = '/usr/bin/curl') =>
  observed({ address, names: ['api.example'], known: { by: 'self', age: 0 }, subject: { exe } });

const metadata = { address: 0xa9fea9fen, port: 80, verdict: 'deny' as const };

test('a finding says what it is about, how bad it is, on what evidence, and what would settle it', () => {
  const [finding, ...others] = findingsOf([
    observed({ port: 8443, count: 3, first: START, last: START + 60_000_000 }),
  ]);
  assert.deepEqual(others, []);
  const { entries: _entries, key: _key, ...told } = finding!;
  assert.deepEqual(told, {
    kind: 'new',
    severity: 'high',
    subject: '/usr/bin/curl uid 1000',
    destination: 'tcp 10.0.0.1:8443',
    rule: { name: 'web fetches', relation: 'other destination' },
    count: 3,
    first: START,
    last: START + 60_000_000,
    evidence: ['3 events from 2026-11-21 00:00:00Z to 2026-11-21 00:01:00Z'],
    suggestion: 'add 8443 to port of rule "web fetches"',
  });
});

test('the key of a finding stays what it is with more traffic, other names of users, and in another order', () => {
  const list = [observed({ port: 8443 }), observed(metadata)];
  const more = [
    observed({ ...metadata, count: 9, first: START + 5 }),
    observed({ port: 8443, last: START + 9 }),
  ];
  const accounts = new Accounts([{ kind: 'user', id: 1000, name: 'ada' }]);
  assert.deepEqual(keys(findingsOf([...more, ...list], accounts)), keys(findingsOf(list)));
  assert.equal(new Set(keys(findingsOf(list))).size, 2);
});

test('addresses that one name had are one finding, and those of other programs are not', () => {
  const findings = findingsOf([named(0x08080808n), named(0x08080809n), named(0x08080808n, '/usr/bin/wget')]);
  assert.deepEqual(
    findings.map(({ count, entries, evidence, subject }) => [
      subject,
      count,
      entries.length,
      evidence.length,
    ]),
    [
      ['/usr/bin/curl uid 1000', 2, 2, 2],
      ['/usr/bin/wget uid 1000', 1, 1, 1],
    ],
  );
});

test('groups are of one kind, those that are worst or have most events first', () => {
  const wget = { exe: '/usr/bin/wget', command: 'wget' };
  const findings = findingsOf([
    observed({ port: 8443, count: 2 }),
    observed({ port: 8444, count: 3 }),
    observed({ port: 8444, count: 50, verdict: 'deny', subject: wget }),
    observed({ ...metadata, subject: wget }),
    observed({ port: 80, count: 4, subject: wget }),
  ]);
  const told = (by: ('subject' | 'rule' | 'destination')[]) =>
    groupFindings(findings, by).map(({ kind, severity, count, findings: its }) => [
      kind,
      severity,
      count,
      its.map(({ destination }) => destination),
    ]);
  assert.deepEqual(told(['subject', 'rule']), [
    ['new', 'high', 5, ['tcp 10.0.0.1:8444', 'tcp 10.0.0.1:8443']],
    ['new', 'high', 4, ['tcp 10.0.0.1:80']],
    ['denied', 'high', 1, ['tcp 169.254.169.254:80']],
    ['denied', 'medium', 50, ['tcp 10.0.0.1:8444']],
  ]);
  assert.equal(told(['destination']).length, 5);
  assert.deepEqual(
    told([]).map(([kind, , count]) => [kind, count]),
    [
      ['new', 9],
      ['denied', 51],
    ],
  );
});
