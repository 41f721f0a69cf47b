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

test('what no rule can name gets none, for it would stand for others', () => {
  const policy = read(SOURCE);
  for (const exe of ['/usr/bin/*', '/bin/x\nfoo', '/srv/\ufffd']) {
    for (const denied of [to('10.0.9.1', 80, { exe, uid: 7, euid: 7 }), to('10.0.0.1', 443, { exe })]) {
      const { fix } = explainFlow(policy, denied);
      assert.match(fix!, /^none: no rule can name the exe "/, exe);
    }
  }
  const { fix } = explainFlow(
    policy,
    to('10.0.9.1', 80, { exe: '/bin/x', container: 'c*', inContainer: true }),
  );
  assert.match(fix!, /^none: no rule can name the container "c\*", there \* stands for other texts too$/);
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

const NAMED = read(`version: 2
network:
  mode: block
  allow:
    - name: web
      from: { exe: [/usr/bin/curl] }
      to: [{ name: [api.example, "*.cdn.example"], port: [443], protocol: [tcp] }]
`);
const known = (address: string, names: readonly (readonly [string, number])[]) =>
  to(address, 443, { exe: '/usr/bin/curl', names: names.map(([name, age]) => ({ name, age })) });

test('a connection that misses a rule by its name is told how nearly, and what to add', () => {
  const misses: Record<string, RegExp> = {
    'cdn.example': /^\*\.cdn\.example does not stand for cdn\.example itself$/,
    'a.api.example': /^api\.example does not stand for a\.api\.example below it$/,
    'api.example.corp.example':
      /^api\.example\.corp\.example was asked for, with a search domain behind api\.example$/,
    'other.example': /^the address is known by other\.example$/,
  };
  for (const [name, says] of Object.entries(misses)) {
    const { fix, nearest } = explainFlow(NAMED, known('1.1.1.1', [[name, 0]]));
    assert.deepEqual(nearest?.mismatches, ['name']);
    assert.match(nearest.names!, says);
    assert.equal(fix, `add ${name} to name of rule "web"`);
  }
  const { fix, nearest } = explainFlow(NAMED, known('1.1.1.1', []));
  assert.equal(nearest?.names, 'the address is known by no name');
  assert.equal(fix, 'rule "web" needs name: say which, to see whether it matches');
});

test('a name that is too old, and an address that is not public, are told apart from another name', () => {
  const old = explainFlow(NAMED, known('1.1.1.1', [['api.example', 7201]]));
  assert.deepEqual(old.nearest, { box: 0, mismatches: ['keep'] });
  assert.equal(old.fix, 'make keep of rule "web" 6h');
  const inside = explainFlow(NAMED, known('10.0.0.5', [['api.example', 0]]));
  assert.deepEqual(inside.nearest, { box: 0, mismatches: ['cidr'] });
  assert.equal(inside.fix, 'write cidr: [public, 10.0.0.5/32] in rule "web"');
});

test('a rule of its own goes by name where the address has one, and allows the connection', () => {
  for (const address of ['1.1.1.1', '10.0.0.5', '2a00::1']) {
    const denied = { ...known(address, [['new.example', 90_000]]), exe: '/usr/bin/wget' };
    const { fix } = explainFlow(NAMED, denied);
    const line = /^add under network.allow: (.*)$/.exec(fix!)![1]!;
    assert.match(line, /name: \[new\.example\]/);
    assert.equal(/cidr/.test(line), address === '10.0.0.5');
    const fixed = read(`version: 2\nnetwork:\n  allow:\n    ${line}\n`);
    assert.equal(evaluate(fixed, denied).action, 'allow', line);
  }
});
