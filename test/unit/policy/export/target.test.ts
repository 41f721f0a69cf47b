import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parse } from 'yaml';
import fc from '../../../arbitrary/fast-check.ts';
import { writtenPolicy } from '../../../arbitrary/policy.ts';
import { withinRules } from '../../../../cli/translate/fit.ts';
import { groupRules } from '../../../../policy/export/aws.ts';
import { exportPolicy, TARGETS, type TargetName } from '../../../../policy/export/target.ts';
import { describeNote } from '../../../../policy/export/words.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import type { Policy } from '../../../../policy/meaning/policy.ts';

const NAMES = Object.keys(TARGETS) as TargetName[];

function policyOf(rules: string): Policy {
  const { policy, problems } = parsePolicy(`version: 2\nnetwork:\n  mode: block\n${rules}`, 'policy.yaml');
  assert.ok(policy, JSON.stringify(problems));
  return policy;
}

const POLICY = policyOf(`
  deny: [{ name: no mail, to: [{ cidr: [0.0.0.0/0], port: [25], protocol: [tcp] }] }]
  allow:
    - name: web
      from: { uid: [0] }
      to: [{ cidr: [10.0.0.0/8, fd00::/8], port: [80, 8000-8010], protocol: [tcp] }]
    - { name: "ping's", to: [{ cidr: [192.0.2.7], protocol: [icmp] }] }
`);

/** What is written, without the heading. */
function bodyOf(target: TargetName, policy = POLICY): string[] {
  return exportPolicy(policy, target)
    .text.split('\n')
    .filter((line) => !line.startsWith('#') && line.trim() !== '');
}

/** Golden texts: the lines that a policy's rules become. */
const LINES: Readonly<Partial<Record<TargetName, readonly string[]>>> = {
  nftables: [
    '\t\tip daddr { 0.0.0.0/0 } meta l4proto { 6 } th dport { 25 } reject with icmpx admin-prohibited comment "no mail"',
    '\t\tmeta skuid { 0 } ip daddr { 10.0.0.0/8 } meta l4proto { 6 } th dport { 80, 8000-8010 } accept comment "web"',
    '\t\tmeta skuid { 0 } ip6 daddr { fd00::/8 } meta l4proto { 6 } th dport { 80, 8000-8010 } accept comment "web"',
    '\t\tip daddr { 192.0.2.7 } meta l4proto { 1 } accept comment "ping?s"',
    '\t\treject with icmpx admin-prohibited',
  ],
  iptables: [
    '-A BOUHEKI -d 0.0.0.0/0 -p 6 -m multiport --dports 25 -j REJECT --reject-with icmp-admin-prohibited -m comment --comment "no mail"',
    '-A BOUHEKI -m owner --uid-owner 0 -d 10.0.0.0/8 -p 6 -m multiport --dports 80,8000:8010 -j RETURN -m comment --comment "web"',
    '-A BOUHEKI -d 192.0.2.7 -p 1 -j RETURN -m comment --comment "ping?s"',
    '-A BOUHEKI -j REJECT --reject-with icmp-admin-prohibited',
  ],
  ip6tables: [
    '-A BOUHEKI -m owner --uid-owner 0 -d fd00::/8 -p 6 -m multiport --dports 80,8000:8010 -j RETURN -m comment --comment "web"',
    '-A BOUHEKI -j REJECT --reject-with icmp6-adm-prohibited',
  ],
  systemd: ['[Service]', 'IPAddressDeny=any', 'IPAddressAllow=fd00::/8'],
};

for (const [target, lines] of Object.entries(LINES)) {
  test(`${target}: each rule has its line`, () => {
    const body = bodyOf(target as TargetName);
    for (const line of lines) assert.ok(body.includes(line), `${line}\n\n${body.join('\n')}`);
  });
}

test('kubernetes: ports that are denied are left out of what allows them', () => {
  const policy = policyOf(
    '  deny: [{ to: [{ cidr: [10.1.0.0/16] }] }]\n  allow: [{ name: all, to: [{ cidr: [10.0.0.0/8], port: [443] }] }]',
  );
  const { spec } = parse(exportPolicy(policy, 'kubernetes').text) as { spec: Record<string, unknown> };
  assert.deepEqual(spec, {
    podSelector: {},
    policyTypes: ['Egress'],
    egress: [
      {
        to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }],
        ports: ['TCP', 'UDP', 'SCTP'].map((protocol) => ({ protocol, port: 443 })),
      },
    ],
  });
});

test('cilium: names go by its DNS proxy, denies are rules of their own', () => {
  const policy = policyOf(
    '  deny: [{ to: [{ cidr: [10.1.0.0/16] }] }]\n  allow: [{ name: api, to: [{ name: [api.example], port: [443], protocol: [tcp] }] }]',
  );
  const { spec } = parse(exportPolicy(policy, 'cilium').text) as {
    spec: { egress: object[]; egressDeny: object[] };
  };
  assert.deepEqual(spec.egress[1], {
    toFQDNs: [{ matchName: 'api.example' }],
    toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }] }],
  });
  assert.deepEqual(spec.egressDeny, [{ toCIDR: ['10.1.0.0/16'] }]);
});

test('aws-security-group: a permission for each protocol and range of ports', () => {
  const [first, second] = JSON.parse(exportPolicy(POLICY, 'aws-security-group').text) as unknown[];
  const about = { Description: 'web' };
  const ranges = {
    IpRanges: [{ CidrIp: '10.0.0.0/8', ...about }],
    Ipv6Ranges: [{ CidrIpv6: 'fd00::/8', ...about }],
  };
  assert.deepEqual(first, { IpProtocol: 'tcp', FromPort: 80, ToPort: 80, ...ranges });
  assert.deepEqual(second, { IpProtocol: 'tcp', FromPort: 8000, ToPort: 8010, ...ranges });
});

test('aws-network-acl: denies have the lower numbers', () => {
  const entries = JSON.parse(exportPolicy(POLICY, 'aws-network-acl').text) as {
    RuleNumber: number;
    RuleAction: string;
  }[];
  assert.deepEqual(
    entries.map(({ RuleAction, RuleNumber }) => [RuleNumber, RuleAction]),
    [
      [100, 'deny'],
      [200, 'allow'],
      [300, 'allow'],
      [400, 'allow'],
      [500, 'allow'],
      [600, 'allow'],
    ],
  );
});

test('a security group that has no room gets fewer rules, and what they let through besides is told', () => {
  const cidrs = Array.from({ length: 100 }, (_, at) => `10.0.${at}.1`).join(', ');
  const policy = policyOf(
    `  allow: [{ name: many, to: [{ cidr: [${cidrs}], port: [443], protocol: [tcp] }] }]`,
  );
  let count = 0;
  const { notes } = exportPolicy(policy, 'aws-security-group', (rules) => {
    const fitting = withinRules(rules, 60);
    count = groupRules(fitting).length;
    return fitting;
  });
  assert.ok(count <= 60 && count > 50, String(count));
  assert.match(
    notes.map(describeNote).join('\n'),
    /^wider: prefixes are merged for 60 rules: [\d,]+ IPv4 addresses more are allowed$/m,
  );
});

test('what a target cannot tell is noted, and a rule by name is left out where there are none', () => {
  const policy = policyOf(`
  allow:
    - { name: curl, from: { exe: [/usr/bin/curl] }, to: [{ name: [api.example] }] }
    - { name: raw, sockets: [raw] }
`);
  assert.deepEqual(exportPolicy(policy, 'nftables').notes.map(describeNote), [
    'wider: rule "curl": it holds for every process: exe cannot be told',
    'narrower: rule "curl": it is left out: api.example: names cannot be told',
    'other: rule "raw": sockets (raw) are left out',
  ]);
});

function ruleOf(name: string): Policy {
  return policyOf(`  allow: [{ name: ${JSON.stringify(name)}, to: [{ cidr: [10.0.0.1] }] }]`);
}

test('a name of a rule ends no line, string or comment of any target', () => {
  const hostile = `x"\\n'; DROP } */ \${y} $(id) \`id\` <!-- # é`;
  for (const target of NAMES) {
    const [plain, other] = [ruleOf('plain'), ruleOf(hostile)].map(
      (policy) => exportPolicy(policy, target).text,
    );
    assert.equal(other!.split('\n').length, plain!.split('\n').length, target);
    assert.doesNotMatch(other!, /\$\{|\$\(|`/, target);
  }
});

/** Why a tool cannot be asked here; undefined where it can. Nothing is loaded: it has a network namespace of its own. */
function missing(...command: string[]): string | undefined {
  const { status } = spawnSync('unshare', ['-n', ...command, '--version']);
  return status === 0 ? undefined : `\`unshare -n ${command.join(' ')}\` cannot be run here`;
}

/** Every text of random policies is one that a tool of the target takes. */
function accepted(context: TestContext, target: TargetName, ...command: string[]): void {
  const reason = missing(command[0]!);
  if (reason !== undefined) return context.skip(reason);
  const file = join(mkdtempSync(join(tmpdir(), 'bouheki-export-')), 'rules');
  const property = fc.property(writtenPolicy(), ({ policy, text }) => {
    // Accounts are of the host that loads it.
    const boxes = policy.boxes.filter(({ from: { group, user } }) => (group ?? user) === undefined);
    writeFileSync(file, exportPolicy({ ...policy, boxes }, target).text);
    const { status, stderr } = spawnSync('unshare', ['-n', ...command, file], { encoding: 'utf8' });
    assert.equal(status, 0, `${text}\n${stderr}`);
  });
  fc.assert(property, { numRuns: 60 });
}

test('nft takes what is written for it', (context) => accepted(context, 'nftables', 'nft', '-c', '-f'));
test('iptables-restore takes what is written for it', (context) =>
  accepted(context, 'iptables', 'iptables-restore', '--test', '--noflush'));
test('ip6tables-restore takes what is written for it', (context) =>
  accepted(context, 'ip6tables', 'ip6tables-restore', '--test', '--noflush'));
