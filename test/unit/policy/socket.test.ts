import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatChange } from '../../../policy/analysis/change.ts';
import { diffPolicies } from '../../../policy/analysis/diff.ts';
import { evaluate } from '../../../policy/meaning/evaluate.ts';
import { explainFlow } from '../../../policy/analysis/explain.ts';
import { lintPolicy } from '../../../policy/analysis/lint.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import type { Flow, Policy } from '../../../policy/meaning/policy.ts';
import { printPolicy } from '../../../policy/file/print.ts';
import { SOCKET_KINDS } from '../../../policy/value/socket-kind.ts';
import { upgradePolicy } from '../../../policy/file/edit/upgrade.ts';
import { documentOf } from '../../arbitrary/document-of.ts';

const read = (source: string): Policy => {
  const parsed = parsePolicy(source, 'test.yaml');
  assert.ok(parsed.policy, JSON.stringify(parsed.problems));
  return parsed.policy;
};

const errors = (source: string) =>
  parsePolicy(source, 'test.yaml').problems.map(({ line, path, message }) => `${line} ${path}: ${message}`);

const SOURCE = `version: 2
network:
  mode: block
  deny:
    - name: no frames
      from: { uid: [1000] }
      sockets: [packet]
  allow:
    - name: diagnosis
      from: { exe: [/usr/bin/ping] }
      to: [{ cidr: [10.0.0.0/8], protocol: [icmp] }]
      sockets: [raw, packet]
`;

const lint = (rule: string) =>
  lintPolicy(read(`version: 2\nnetwork: { allow: [{ to: [{ cidr: [loopback] }] }, ${rule}] }`)).map(
    ({ message }) => message,
  );

const CONNECTION: Flow = {
  command: 'ping',
  exe: '/usr/bin/ping',
  uid: 0,
  euid: 0,
  gid: 0,
  egid: 0,
  inContainer: false,
  address: { family: 4, value: 0x0a000001n },
  port: 0,
  protocol: 1,
};
const opening = (socket: NonNullable<Flow['socket']>, rest: Partial<Flow> = {}): Flow => ({
  ...CONNECTION,
  socket,
  ...rest,
});

test('sockets of a rule are a box of their own, beside those of its destinations', () => {
  assert.deepEqual(
    read(SOURCE).boxes.map(({ name, to }) => [name, Object.keys(to)]),
    [
      ['no frames', ['sockets']],
      ['diagnosis', ['prefixes', 'protocols']],
      ['diagnosis', ['sockets']],
    ],
  );
});

test('only a rule that names its kind lets a socket be opened, whatever destinations are allowed', () => {
  const policy = read(SOURCE);
  assert.deepEqual(evaluate(policy, CONNECTION), { action: 'allow', box: 1 });
  assert.deepEqual(evaluate(policy, opening('raw')), { action: 'allow', box: 2 });
  assert.deepEqual(evaluate(policy, opening('source-route')), { action: 'deny' });
  assert.deepEqual(evaluate(policy, opening('raw', { exe: '/bin/sh' })), { action: 'deny' });
  assert.deepEqual(evaluate(policy, opening('packet', { euid: 1000 })), { action: 'deny', box: 0 });
  const everywhere = read('version: 2\nnetwork: { allow: [{}] }');
  for (const kind of SOCKET_KINDS) assert.deepEqual(evaluate(everywhere, opening(kind)), { action: 'deny' });
});

test('a rule with sockets and no destinations allows no connection', () => {
  const policy = read('version: 2\nnetwork: { allow: [{ sockets: [raw] }] }');
  assert.equal(evaluate(policy, CONNECTION).action, 'deny');
  assert.equal(evaluate(policy, opening('raw')).action, 'allow');
});

test('the print of rules with sockets reads back as the same boxes', () => {
  const source = 'version: 2\nnetwork: { allow: [{ name: a, to: [{}], sockets: [other] }, { name: a }] }';
  for (const policy of [read(SOURCE), read(source)]) {
    assert.deepEqual(read(printPolicy(documentOf(policy))).boxes, policy.boxes);
  }
  assert.match(printPolicy(documentOf(read(SOURCE))), /^ {6}sockets: \[raw, packet\]$/m);
});

test('a kind that does not exist and a list in the wrong layout are refused where they stand', () => {
  assert.deepEqual(errors('version: 2\nnetwork:\n  allow:\n    - sockets: [row]\n'), [
    '4 network.allow[0].sockets[0]: network.allow[0].sockets[0] must be one of raw, packet, other, source-route, not "row"',
  ]);
  assert.deepEqual(errors('version: 2\nnetwork:\n  allow: []\n  sockets: [raw]\n'), [
    '4 network.sockets: network.sockets belongs to the flat layout',
  ]);
});

test('in the flat layout sockets are for everybody', () => {
  const policy = read('version: 2\nnetwork: { command: { allow: [curl] }, sockets: [raw] }');
  assert.equal(evaluate(policy, CONNECTION).action, 'deny');
  assert.equal(evaluate(policy, opening('raw')).action, 'allow');
  assert.equal(evaluate(policy, opening('packet')).action, 'deny');
});

test('version 1 lets everybody open them, says so, and its upgrade writes it down', () => {
  const source = 'network: { mode: block, cidr: { allow: [] }, command: { deny: [ping] } }\n';
  const policy = read(source);
  for (const kind of SOCKET_KINDS) assert.equal(evaluate(policy, opening(kind)).action, 'allow');
  assert.deepEqual(
    lintPolicy(policy)
      .filter(({ kind }) => kind === 'socket')
      .map(({ message }) => message),
    [
      'version 1 does not restrict raw and packet sockets: a program that may open one can send to any address',
    ],
  );
  const upgraded = upgradePolicy(source);
  assert.match(
    upgraded,
    /# Version 1 did not restrict these.*\n *sockets: \[ ?raw, packet, other, source-route ?\]/,
  );
  assert.deepEqual(diffPolicies(policy, read(upgraded)), { gained: [], lost: [] });
});

test('whoever may open raw sockets should be a program; other sockets are no matter', () => {
  assert.deepEqual(lint('{ name: any, from: { uid: [0] }, sockets: [raw, other] }'), [
    'allow rule "any" allows raw sockets, which can send past every address rule, to no program in particular',
  ]);
  assert.deepEqual(lint('{ from: { uid: [0] }, sockets: [other] }'), []);
  assert.deepEqual(lint('{ from: { exe: [/usr/bin/ping] }, sockets: [raw] }'), []);
  assert.deepEqual(
    lint(
      '{ from: { unit: [dhcp.service] }, sockets: [packet] }, { name: b, from: { unit: [dhcp.service] }, sockets: [packet] }',
    ),
    ['allow rule "b" adds nothing: rule "allow[1]" covers it'],
  );
});

test('the difference of two policies names the sockets', () => {
  const before = read(SOURCE);
  const after = read(SOURCE.replace('[raw, packet]', '[raw, source-route]'));
  const { gained, lost } = diffPolicies(before, after);
  assert.deepEqual(gained.map(formatChange), ['exe /usr/bin/ping -> source-route sockets']);
  assert.deepEqual(lost.map(formatChange), ['exe /usr/bin/ping, uid other than 1000 -> packet sockets']);
});

test('a denied opening is explained by the rule that is nearest, and what to add to it', () => {
  const policy = read(SOURCE);
  const missing = explainFlow(policy, opening('source-route'));
  assert.deepEqual(missing.nearest?.mismatches, ['sockets']);
  assert.equal(missing.fix, 'add source-route to sockets of rule "diagnosis"');
  const stopped = explainFlow(policy, opening('packet', { uid: 1000, euid: 1000 }));
  assert.equal(stopped.fix, 'take packet or its subject out of deny rule "no frames"');
  const other = opening('raw', { exe: '/usr/bin/nmap', uid: 7, euid: 7, command: '' });
  const line = '- { from: { exe: [/usr/bin/nmap], uid: [7] }, sockets: [raw] }';
  assert.equal(
    explainFlow(read('version: 2\nnetwork: { allow: [] }'), other).fix,
    `add under network.allow: ${line}`,
  );
  assert.equal(evaluate(read(`${SOURCE}    ${line}\n`), other).action, 'allow');
});
