import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suffixes } from '../../../../cli/run/public-suffix.ts';
import { parseAddress } from '../../../../policy/value/address.ts';
import { lintPolicy } from '../../../../policy/analysis/lint.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';

const LOOPBACK = '    - { to: [{ cidr: [loopback] }] }\n';

const lint = (rest: string, resolvers: string[] = []): string[] => {
  const { policy, problems } = parsePolicy(`version: 2\nnetwork:\n${rest}`, 'policy.yaml');
  assert.ok(policy, JSON.stringify(problems));
  return lintPolicy(
    policy,
    resolvers.map((text) => parseAddress(text)!),
  ).map(({ message }) => message);
};

test('a policy without fault is not remarked upon', () => {
  const rest = `  deny:
    - { to: [{ cidr: [metadata] }] }
  allow:
${LOOPBACK}    - { from: { exe: [/usr/bin/curl] }, to: [{ cidr: [10.0.0.0/24], port: [443], protocol: [tcp] }] }
    - { to: [{ cidr: [10.0.0.53], port: [53], protocol: [udp] }] }
`;
  assert.deepEqual(lint(rest, ['10.0.0.53', '127.0.0.53']), []);
});

test('a rule inside a deny never allows', () => {
  const rest = `  deny:
    - { name: no backups, to: [{ cidr: [10.0.0.0/9, 10.128.0.0/9] }] }
  allow:
${LOOPBACK}    - { name: backup, from: { uid: [7] }, to: [{ cidr: [10.1.0.0/16] }] }
`;
  assert.deepEqual(lint(rest), [
    'allow rule "backup" never allows anything: deny rule "no backups" covers it',
  ]);
});

test('a rule that another covers adds nothing, and of two equal ones the later is too many', () => {
  const rest = `  allow:
${LOOPBACK}    - { name: narrow, from: { container: ["web-1*"], uid: [7] }, to: [{ cidr: [10.1.0.0/16], port: [80], protocol: [tcp] }] }
    - { name: wide, from: { container: ["web-*"] }, to: [{ cidr: [10.0.0.0/8], port: ["1-1024"] }] }
    - { name: again, from: { container: ["web-*"] }, to: [{ cidr: [10.0.0.0/8], port: ["1-512", "513-1024"] }] }
`;
  assert.deepEqual(lint(rest), [
    'allow rule "narrow" adds nothing: rule "wide" covers it',
    'allow rule "again" adds nothing: rule "wide" covers it',
  ]);
});

test('a rule that names ports does not cover one that names none', () => {
  const rest = `  allow:
${LOOPBACK}    - { from: { uid: [7] }, to: [{ cidr: [10.0.0.0/8], port: ["0-65535"] }] }
    - { from: { uid: [7] }, to: [{ cidr: [10.0.0.0/8] }] }
`;
  assert.deepEqual(lint(rest), ['allow rule "allow[1]" adds nothing: rule "allow[2]" covers it']);
});

test('a subject that is a command only is remarked upon', () => {
  const rest = `  allow:\n${LOOPBACK}    - { from: { command: [curl] }, to: [{ cidr: [10.0.0.0/24] }] }\n`;
  assert.deepEqual(lint(rest), [
    'allow rule "allow[1]" names its subject by command only: no security boundary, since any process can rename itself',
  ]);
});

test('prefixes wider than /8 are remarked upon, but not the groups', () => {
  const rest = `  allow:
${LOOPBACK}    - { from: { uid: [7] }, to: [{ cidr: [8.0.0.0/7, "2000::/3", multicast, private, link-local, "fc00::/8"] }] }
    - { from: { uid: [8] } }
`;
  assert.deepEqual(lint(rest), [
    'allow rule "allow[1]" allows 8.0.0.0/7, 2000::/3, wider than /8 (IPv6: /32)',
    'allow rule "allow[2]" allows every address',
  ]);
});

test('addresses that no connection goes to, and those of networks without a length, are remarked upon', () => {
  const rest = `  allow:
${LOOPBACK}    - { name: a, to: [{ cidr: [0.0.0.0, "::", 10.0.0.0, "2001:db8::", 10.0.1.0, 10.1.0.0/16], port: [443], protocol: [tcp] }] }
`;
  assert.deepEqual(lint(rest), [
    'allow rule "a" names 0.0.0.0, which is no destination: a connection to it goes to this host\'s loopback address',
    'allow rule "a" names ::, which is no destination: a connection to it goes to this host\'s loopback address',
    'allow rule "a" names the single address 10.0.0.0, which looks like that of a network',
    'allow rule "a" names the single address 2001:db8::, which looks like that of a network',
  ]);
});

test('a policy that cuts a host off from itself or from its name servers says so', () => {
  assert.deepEqual(lint('  allow: []\n', ['10.0.0.53']), [
    'no rule allows any destination: in block mode every connection is denied',
  ]);
  const rest = '  allow: [{ to: [{ cidr: [10.0.0.0/24], port: [443] }] }]\n';
  assert.deepEqual(lint(rest, ['10.0.0.53']), [
    'no rule allows loopback: programs of this host cannot reach each other',
    'no rule allows the name server 10.0.0.53, port 53 over UDP: names cannot be looked up',
  ]);
});

test('a finding knows the place of its rule', () => {
  const source = `version: 2
network:
  allow:
    - { to: [{ cidr: [loopback] }] }
    - from: { uid: [7] }
      to:
        - { cidr: [10.0.0.1] }
        - { cidr: [0.0.0.0/1] }
`;
  const { policy, locationOf } = parsePolicy(source, 'policy.yaml');
  const finding = lintPolicy(policy!).find(({ kind }) => kind === 'wide');
  assert.deepEqual(locationOf(finding!.box), {
    file: 'policy.yaml',
    line: 8,
    column: 11,
    path: 'network.allow[1].to[1]',
  });
});

test('a policy by names in which nothing may be looked up is remarked upon, as is a rule for every name', () => {
  const named = `  allow:
${LOOPBACK.replace(']', '], port: [80]')}    - { name: web, from: { exe: [/usr/bin/curl] }, to: [{ name: [api.example], port: [443] }] }
`;
  const cutOff =
    'allow rule "web" goes by names, and no rule allows port 53 over UDP: nothing is looked up, and no address has a name';
  assert.deepEqual(lint(named), [cutOff]);
  const tcp = `${named}    - { to: [{ cidr: [10.0.0.53], port: [53], protocol: [tcp] }] }\n`;
  assert.deepEqual(lint(tcp), [cutOff]);
  const asked = `${named}    - { to: [{ cidr: [10.0.0.53], port: ["50-60"], protocol: [udp] }] }\n`;
  assert.deepEqual(lint(asked), []);
  const any = `${asked}    - { name: all, from: { uid: [7] }, to: [{ name: ["*"] }] }\n`;
  assert.deepEqual(lint(any), [
    'allow rule "all" allows every name: whoever runs a name server decides which addresses that are',
  ]);
});

test('a rule by name allows no loopback and no name server', () => {
  const rest = `  allow:
    - { name: web, from: { uid: [7] }, to: [{ name: [api.example], cidr: ["0.0.0.0/0", "::/0"] }] }
`;
  assert.deepEqual(
    lint(rest, ['10.0.0.53']).map((each) => each.split(':')[0]),
    [
      'no rule allows loopback',
      'no rule allows the name server 10.0.0.53, port 53 over UDP',
      'allow rule "web" goes by names, and no rule allows port 53 over UDP',
    ],
  );
});

test('a wildcard below which anybody can have a name is remarked upon', async () => {
  const open = [
    '*.github.io',
    '*.co.uk',
    '*.amazonaws.com',
    '*.core.windows.net',
    '*.uk',
    '*.a.compute.amazonaws.com.cn',
  ];
  const own = ['*.example.com', '*.ada.github.io', '*.a.s3.amazonaws.com', '*.corp', '*.www.ck'];
  const patterns = [...open, ...own, 'github.io', '*'];
  const names = patterns.map((each) => JSON.stringify(each)).join(', ');
  const { policy } = parsePolicy(
    `version: 2
network:
  mode: block
  allow: [{ name: web, from: { uid: [7] }, to: [{ name: [${names}] }] }]
`,
    'policy.yaml',
  );
  const found = lintPolicy(policy!, [], suffixes.isPublicBelow).map(({ message }) => message);
  assert.deepEqual(
    found.filter((message) => message.includes('anybody')),
    open.map((each) => `allow rule "web" allows ${each}, and anybody can have a name there`),
  );
});
