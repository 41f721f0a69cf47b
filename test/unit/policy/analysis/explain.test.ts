import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { parseAddress } from '../../../../policy/value/address.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { explainFlow, UNKNOWN_ID } from '../../../../policy/analysis/explain.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import type { Flow, Policy } from '../../../../policy/meaning/policy.ts';
import { flow, policy } from '../arbitrary.ts';

const SOURCE = `version: 2
network:
  deny:
    - { name: metadata, to: [{ cidr: [metadata] }] }
  allow:
    - name: web
      from: { exe: [/usr/bin/curl] }
      to: [{ cidr: [10.0.0.0/24], port: [443], protocol: [tcp] }]
    - name: names
      to: [{ cidr: [10.0.0.53], port: [53], protocol: [udp] }]
`;
const read = (source: string): Policy => parsePolicy(source, 'policy.yaml').policy!;

const to = (address: string, port: number, rest: Partial<Flow> = {}): Flow => ({
  command: '',
  uid: UNKNOWN_ID,
  euid: UNKNOWN_ID,
  gid: UNKNOWN_ID,
  egid: UNKNOWN_ID,
  inContainer: false,
  address: parseAddress(address)!,
  port,
  protocol: 6,
  ...rest,
});

test('an allowed connection names its rule', () => {
  const explanation = explainFlow(read(SOURCE), to('10.0.0.1', 443, { exe: '/usr/bin/curl' }));
  assert.deepEqual(explanation, { verdict: { action: 'allow', box: 1 }, reason: 'allow rule "web" matches' });
});

test('a denied connection names the deny rule that stands in its way', () => {
  const { verdict, reason, fix } = explainFlow(read(SOURCE), to('169.254.169.254', 80));
  assert.deepEqual(verdict, { action: 'deny', box: 0 });
  assert.equal(reason, 'deny rule "metadata" matches, and a deny always wins');
  assert.equal(fix, 'take 169.254.169.254 or its subject out of deny rule "metadata"');
});

test('a connection that misses a rule by one value is told which', () => {
  const { nearest, fix } = explainFlow(read(SOURCE), to('10.0.0.1', 80, { exe: '/usr/bin/curl' }));
  assert.deepEqual(nearest, { box: 1, mismatches: ['port'] });
  assert.equal(fix, 'add 80 to port of rule "web"');
});

test('a connection that misses every rule by more gets a rule of its own, which allows it', () => {
  const denied = to('10.0.0.1', 80, { exe: '/usr/bin/wget', uid: 7, euid: 7 });
  const { fix } = explainFlow(read(SOURCE), denied);
  const line = /^add under network.allow: (.*)$/.exec(fix!)![1]!;
  assert.equal(
    line,
    '- { from: { exe: [/usr/bin/wget], uid: [7] }, to: [{ cidr: [10.0.0.1/32], port: [80], protocol: [tcp] }] }',
  );
  assert.equal(evaluate(read(`${SOURCE}    ${line}\n`), denied).action, 'allow');
});

test('a rule of that very subject is nearest, before one of another subject that misses less', () => {
  const policy = read(`version: 2
network:
  allow:
    - { name: other, from: { exe: [/usr/bin/wget] }, to: [{ cidr: [10.0.0.1], port: [80], protocol: [tcp] }] }
    - { name: anybody, to: [{ cidr: [10.0.0.1], port: [81] }] }
    - { name: own, from: { exe: [/usr/bin/curl], uid: [7] }, to: [{ cidr: [10.9.0.0/16], port: [443] }] }
`);
  const { nearest } = explainFlow(policy, to('10.0.0.1', 80, { exe: '/usr/bin/curl', uid: 7, euid: 7 }));
  assert.deepEqual(nearest, { box: 2, mismatches: ['cidr', 'port'] });
});

test('an address that except takes out is told to be that, and not to be missing in cidr', () => {
  const policy = read(`version: 2
network:
  allow:
    - { name: web, from: { exe: [/usr/bin/curl] }, to: [{ cidr: [10.0.0.0/24], except: [10.0.0.8/30] }] }
`);
  const { fix, nearest } = explainFlow(policy, to('10.0.0.9', 80, { exe: '/usr/bin/curl' }));
  assert.deepEqual(nearest, { box: 0, mismatches: ['cidr'], excepted: true });
  assert.equal(fix, 'take 10.0.0.9 out of except of rule "web"');
  const outside = explainFlow(policy, to('10.0.1.9', 80, { exe: '/usr/bin/curl' }));
  assert.deepEqual(outside.nearest, { box: 0, mismatches: ['cidr'] });
});

test('what is not known of the subject is asked for', () => {
  const { fix } = explainFlow(read(SOURCE), to('10.0.0.1', 443));
  assert.equal(fix, 'rule "web" needs exe: say which, to see whether it matches');
});

test('a process outside containers is not judged by a policy for containers', () => {
  const { verdict, reason } = explainFlow(read('network: { target: container }'), to('10.0.0.1', 443));
  assert.deepEqual(verdict, { action: 'allow' });
  assert.match(reason, /containers only/);
});

test('in version 1 the fix names the lists', () => {
  const legacy = read('network: { cidr: { allow: [10.0.0.0/24] }, command: { allow: [wget] } }');
  const { fix } = explainFlow(legacy, to('10.0.1.1', 443, { command: 'curl' }));
  assert.equal(fix, 'add curl to command.allow and add 10.0.1.1/32 to cidr.allow');
});

test('the verdict explained is that of the reference, for any policy and connection', () => {
  fc.assert(
    fc.property(policy, flow, (each, connection) => {
      const { verdict, fix } = explainFlow(each, connection);
      assert.deepEqual(verdict, evaluate(each, connection));
      assert.equal(fix !== undefined, verdict.action === 'deny');
      if (fix) assert.doesNotMatch(fix, /\n|undefined/);
    }),
    { numRuns: 3000 },
  );
});
