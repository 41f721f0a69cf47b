import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConnections } from '../../../../cli/preflight/connection.ts';
import type { HostState } from '../../../../cli/preflight/host-state.ts';
import { Judge } from '../../../../cli/preflight/judge.ts';
import { checkDhcp, checkLoopback } from '../../../../cli/preflight/local.ts';
import { checkResolvers } from '../../../../cli/preflight/resolver.ts';
import { checkSession, peerIn } from '../../../../cli/preflight/session.ts';
import { checkSockets } from '../../../../cli/preflight/way-round.ts';
import { parsePacketSockets, parseSockets } from '../../../../host/open/socket-table.ts';
import { parseAddress } from '../../../../policy/value/address.ts';
import type { RunningProcess } from '../../../../profiler/identity/running-process.ts';
import { policyOf } from '../../generator/fixture.ts';

/** A judge by the rules of a policy that blocks. */
function judgeOf(
  rules: string,
  { cgroup, target = 'host' }: { cgroup?: string; target?: string } = {},
): Judge {
  const text = `version: 2\nnetwork:\n  mode: block\n  target: ${target}\n${rules}`;
  return new Judge(policyOf(text), { namesOf: () => [] }, cgroup);
}

const CURL: RunningProcess = {
  pid: 4711,
  command: 'curl',
  exe: '/usr/bin/curl',
  uid: 0,
  euid: 0,
  fsuid: 0,
  gid: 0,
  egid: 0,
  fsgid: 0,
  groups: [],
  inContainer: false,
  cgroup: '/system.slice/web.service',
};

/** A host with the lines of the tables in /proc/net that are given; each socket is one of curl. */
function hostOf(
  lines: { tcp?: string[]; udp?: string[]; raw?: string[]; packet?: string[] },
  process = CURL,
): HostState {
  const { packet = [], raw = [], tcp = [], udp = [] } = lines;
  const table = {
    tcp: parseSockets(tcp.join('\n')),
    udp: parseSockets(udp.join('\n')),
    raw: parseSockets(raw.join('\n')),
    packet: parsePacketSockets(packet.join('\n')),
  };
  const inodes = Object.values(table).flatMap((list: { inode: string }[]) => list.map(({ inode }) => inode));
  const network = { pid: process.pid, namespace: 1, own: true };
  return {
    networks: [{ ...table, network }],
    moreNetworks: 0,
    holders: new Map(inodes.map((inode) => [inode, process])),
  };
}

const line = (local: string, remote: string, state: string, inode: number): string =>
  `1: ${local} ${remote} ${state} 0:0 00:0 0 0 0 ${inode} 1 0`;
const HERE = '0200000A';
const THERE = '0700000A';

const resolver = (text: string) => ({ address: parseAddress(text)!, file: '/etc/resolv.conf' });

test('what is denied to a subject that is only monitored is no loss', () => {
  const modes = '  modes: [{ from: { unit: [web.service] }, mode: monitor }]\n  allow: []\n';
  const attempt = { address: parseAddress('10.0.0.9')!, port: 443, protocol: 6 };
  assert.equal(judgeOf(modes).ofSend({ ...CURL, unit: 'web.service' }, attempt), 'allowed');
  assert.equal(judgeOf(modes).ofSend(CURL, attempt), 'denied');
  // Nothing that most programs need is lost where only some are blocked.
  const some = `version: 2\nnetwork:\n  mode: monitor\n${modes.replace('mode: monitor', 'mode: block')}`;
  assert.deepEqual(new Judge(policyOf(some), { namesOf: () => [] }).rulesFor(attempt), [
    'network.mode: monitor',
  ]);
  assert.deepEqual(judgeOf(modes).rulesFor(attempt), []);
});

test('a resolver that no rule allows is a reason to stop, and the remedy names it', () => {
  const judge = judgeOf('  allow: [{ to: [{ cidr: [10.0.0.1/32], port: [443] }] }]');
  const { remedy, state, what } = checkResolvers(judge, [resolver('10.0.0.53'), resolver('fd00::53')]);
  assert.equal(state, 'stop');
  assert.match(what, /10\.0\.0\.53 \(\/etc\/resolv\.conf\), fd00::53/);
  assert.match(remedy!, /cidr: \[10\.0\.0\.53, "fd00::53"\]/);
});

for (const [how, rules, state] of [
  ['by UDP', '  allow: [{ to: [{ cidr: [10.0.0.53], port: [53], protocol: [udp] }] }]', 'ok'],
  ['by TCP', '  allow: [{ to: [{ cidr: [10.0.0.53], port: [53], protocol: [tcp] }] }]', 'ok'],
  ['by TLS', '  allow: [{ to: [{ cidr: [10.0.0.0/24], port: [853] }] }]', 'ok'],
  ['for one program', '  allow: [{ from: { exe: [/usr/sbin/x] }, to: [{ cidr: [10.0.0.53] }] }]', 'ok'],
  ['by a name alone', '  allow: [{ to: [{ name: ["*"], port: [53] }] }]', 'stop'],
  ['at another port', '  allow: [{ to: [{ cidr: [10.0.0.53], port: [5353] }] }]', 'stop'],
  ['and denied to all', '  deny: [{ to: [{ cidr: [10.0.0.0/8] }] }]\n  allow: [{ to: [{}] }]', 'stop'],
  [
    'and denied to some',
    '  deny: [{ from: { uid: [7] }, to: [{ cidr: [10.0.0.0/8] }] }]\n  allow: [{ to: [{}] }]',
    'ok',
  ],
] as const) {
  test(`a resolver that is allowed ${how}: ${state}`, () => {
    assert.equal(checkResolvers(judgeOf(rules), [resolver('10.0.0.53')]).state, state);
  });
}

test('where a part of the host is judged, or no resolver is named, resolvers are no reason to stop', () => {
  const rules = '  allow: []';
  const named = [resolver('10.0.0.53')];
  assert.equal(checkResolvers(judgeOf(rules, { target: 'container' }), named).state, 'warn');
  assert.equal(checkResolvers(judgeOf(rules, { cgroup: '/web' }), named).state, 'warn');
  assert.equal(checkResolvers(judgeOf(rules), []).state, 'ok');
});

test('with rules by name a denied resolver takes those away too', () => {
  const judge = judgeOf('  allow: [{ to: [{ name: [api.example.com] }] }]');
  assert.match(checkResolvers(judge, [resolver('10.0.0.53')]).why!, /no rule by name would allow anything/);
});

test('loopback is open to all, to some or to nobody', () => {
  assert.match(
    checkLoopback(judgeOf('  allow: [{ name: a, to: [{ cidr: [loopback] }] }]')).what,
    /everybody, by a/,
  );
  const some = '  allow: [{ name: b, from: { uid: [1] }, to: [{ cidr: [127.0.0.1], port: [53] }] }]';
  assert.match(checkLoopback(judgeOf(some)).what, /what b allow.* ::1 is allowed to nobody/);
  assert.equal(checkLoopback(judgeOf('  allow: [{ to: [{ cidr: [10.0.0.0/8] }] }]')).state, 'warn');
});

test('a DHCP client that may not ask again is named, and one that may', () => {
  const host = hostOf({ udp: [line(`${HERE}:0044`, '00000000:0000', '07', 5)] });
  const denied = checkDhcp(judgeOf('  allow: []'), host);
  assert.equal(denied.state, 'warn');
  assert.match(denied.what, /curl \(pid 4711, UDP 67\)/);
  assert.match(denied.remedy!, /sockets: \[packet\]/);
  assert.equal(checkDhcp(judgeOf('  allow: [{ to: [{ port: [67], protocol: [udp] }] }]'), host).state, 'ok');
  assert.match(checkDhcp(judgeOf('  allow: []'), hostOf({})).what, /no rule allows one to ask/);
});

const RULES = '  allow: [{ to: [{ cidr: [10.0.0.7], port: [443] }] }]';

test('accepted connections are counted, and opened ones judged, by the ports that are listened at', () => {
  const host = hostOf({
    tcp: [
      line('00000000:0016', '00000000:0000', '0A', 1),
      line(`${HERE}:0016`, `${THERE}:C001`, '01', 2),
      line(`${HERE}:9001`, `${THERE}:01BB`, '01', 3),
      line(`${HERE}:9002`, `${THERE}:0050`, '01', 4),
      line(`${HERE}:9003`, `${THERE}:0050`, '08', 5),
      line(`${HERE}:9004`, `${THERE}:0051`, '02', 6),
    ],
    udp: [line(`${HERE}:9005`, `${THERE}:0035`, '01', 7), line('00000000:0044', '00000000:0000', '07', 8)],
  });
  const { entries, state, table, what } = checkConnections(judgeOf(RULES), host);
  assert.equal(state, 'warn');
  assert.match(
    what,
    /^5 connections that were opened here are open, and 1 that was accepted, .* Not allowed: 4\.$/,
  );
  assert.deepEqual(
    entries!.map((entry) => {
      const { count, outlook, port, protocol } = entry as Record<string, unknown>;
      return [protocol, port, count, outlook];
    }),
    [
      ['tcp', 80, 2, 'denied'],
      ['tcp', 81, 1, 'denied'],
      ['udp', 53, 1, 'denied'],
    ],
  );
  assert.equal(table!.rows.length, 3);
});

test('what is not judged, or of a process that is not seen, is no denied connection', () => {
  const tcp = [line(`${HERE}:9002`, `${THERE}:0050`, '01', 4)];
  assert.equal(checkConnections(judgeOf(RULES, { target: 'container' }), hostOf({ tcp })).state, 'ok');
  assert.equal(checkConnections(judgeOf(RULES, { cgroup: '/other' }), hostOf({ tcp })).state, 'ok');
  assert.equal(checkConnections(judgeOf(RULES, { cgroup: '/system.slice' }), hostOf({ tcp })).state, 'warn');
  const unseen = checkConnections(judgeOf(RULES), { ...hostOf({ tcp }), holders: new Map() });
  assert.equal(unseen.state, 'ok');
  assert.match(unseen.what, /Of 1 the process can't be seen/);
});

test('an address that a rule by name may allow is told apart from one that none does', () => {
  const judge = judgeOf('  allow: [{ to: [{ name: [api.example.com], port: [443] }] }]');
  const host = hostOf({
    tcp: [line(`${HERE}:9001`, '0708080A:01BB', '01', 1), line(`${HERE}:9002`, '08080808:01BB', '01', 2)],
  });
  const { entries } = checkConnections(judge, host);
  // By name alone addresses that are not public are never reached.
  assert.deepEqual(
    entries!.map((entry) => (entry as { outlook: string }).outlook),
    ['denied', 'by name'],
  );
});

test('a table of connections ends after twenty lines and counts the rest', () => {
  const tcp = Array.from({ length: 25 }, (_, at) =>
    line(`${HERE}:9001`, `${THERE}:00${16 + at}`, '01', at + 1),
  );
  const { entries, table } = checkConnections(judgeOf(RULES), hostOf({ tcp }));
  assert.equal(entries!.length, 25);
  assert.deepEqual([table!.rows.length, table!.rows.at(-1)![0]], [21, 'and 5 more']);
});

test('raw and packet sockets have their owner and what the policy says of opening them', () => {
  const host = hostOf({
    raw: [line('00000000:0001', '00000000:0000', '07', 1)],
    packet: ['ffff 3 3 0003 2 1 0 0 2'],
  });
  const { entries, state } = checkSockets(judgeOf('  allow: [{ sockets: [raw] }]'), host);
  assert.equal(state, 'warn');
  assert.deepEqual(entries, [
    { kind: 'raw', command: 'curl', pid: 4711, uid: 0, exe: '/usr/bin/curl', opening: 'allowed' },
    { kind: 'packet', command: 'curl', pid: 4711, uid: 0, exe: '/usr/bin/curl', opening: 'denied' },
  ]);
  assert.equal(checkSockets(judgeOf('  allow: []'), hostOf({})).state, 'ok');
});

test('the other end of an SSH session is read as sshd writes it', () => {
  assert.deepEqual(peerIn('198.51.100.7 51234 192.0.2.1 22'), parseAddress('198.51.100.7'));
  assert.deepEqual(peerIn('fe80::1%eth0 51234 fe80::2%eth0 22'), parseAddress('fe80::1'));
  for (const odd of [undefined, '', 'UNKNOWN 65535 UNKNOWN 65535']) assert.equal(peerIn(odd), undefined);
});

test('a session goes on, and what the policy says of its other end is told', () => {
  const peer = parseAddress('198.51.100.7')!;
  assert.match(
    checkSession(judgeOf(RULES), hostOf({}), peer).what,
    /goes on, .* No rule allows this host to connect/,
  );
  assert.doesNotMatch(checkSession(judgeOf('  allow: [{ to: [{}] }]'), hostOf({}), peer).what, /No rule/);
});
