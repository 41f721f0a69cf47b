/** UDP: a connect() sends nothing, and what answers a peer that spoke first is no egress. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { Egress } from '../../bpf/egress.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { Operation } from '../../profiler/event/batch.ts';
import { testedAttachment } from './attachment.ts';
import { block, compileRules } from './client/policy.ts';
import { type Event, takeEvents } from './egress/event.ts';
import { loadEnforcing } from './enforcing.ts';
import { PEER_RACE } from './peer-race.ts';
import { type Place, SocketActor } from './socket-actor.ts';

/** What this guest and everybody may talk to: the guest itself. */
const HOME = 'from: {}, to: [{ cidr: [10.0.0.2, "fd00::2", 127.0.0.0/8, "::1"] }]';
const only = (rule: string): string => `  allow: [{ name: home, ${HOME} }, { name: some, to: [${rule}] }]\n`;
const NOBODY = `  allow: [{ name: home, ${HOME} }]\n`;

/** A peer that no policy here allows, behind the interface of the guest; it is in another network namespace. */
const PEER: Place = ['10.9.9.9', 7000];
const PEER6: Place = ['2001:db8::9', 7000];
const MAPPED: Place = ['::ffff:10.9.9.9', 7000];

let egress: Egress;
let server: SocketActor;
let peer: SocketActor;

function run(...[program, ...words]: string[]): void {
  const { status, stderr } = spawnSync(program!, words, { encoding: 'utf8' });
  assert.equal(status, 0, `${program} ${words.join(' ')}: ${stderr}`);
}

async function openPeer(): Promise<void> {
  await peer.open('four', 4, PEER);
  await peer.open('six', 6, PEER6, { free: true });
}

/** What was reported of the server since the last call. */
function reported(): Event[] {
  return takeEvents(egress).filter(({ pid }) => pid === server.pid);
}

before(async () => {
  run('test/vm/network', 'start', '--udp', '53');
  egress = loadEnforcing(testedAttachment());
  server = await SocketActor.start();
  peer = await SocketActor.start('ip', 'netns', 'exec', 'servers');
  await openPeer();
});
beforeEach(() => {
  takeEvents(egress);
});
after(async () => {
  await server[Symbol.asyncDispose]();
  await peer[Symbol.asyncDispose]();
  egress[Symbol.dispose]();
  run('test/vm/network', 'stop');
});

describe('a UDP connect()', () => {
  const somewhere: Place = ['10.9.9.9', 80];

  test('is allowed where any port or protocol of the address is, and what is sent by it is judged', async () => {
    block(
      egress,
      compileRules(only('{ cidr: [10.9.9.9, "2001:db8::9"], port: [443], protocol: [tcp] }')),
      true,
    );
    for (const [family, place] of [
      [4, somewhere],
      [6, ['2001:db8::9', 80]],
      [6, ['::ffff:10.9.9.9', 80]],
    ] as const) {
      await server.open('probe', family);
      assert.equal(await server.connect('probe', place), 'done');
      assert.deepEqual(
        reported().map(({ operation, blocked }) => [operation, blocked]),
        [[Operation.intent, false]],
      );
      for (const how of ['write', 'write_file', 'sendfile', 'splice'] as const) {
        assert.equal(await server.write('probe', how), 'EPERM', `${how} to ${place.join(' ')}`);
        assert.deepEqual(
          reported().map(({ operation, blocked }) => [operation, blocked]),
          [[Operation.send, true]],
        );
      }
      assert.equal(await server.send('probe', place), 'EPERM');
      assert.equal(reported().length, 1);
      await server.close('probe');
    }
  });

  test('is denied where a deny is for all of it, and not for one of another port', async () => {
    const allow = only('{ cidr: [10.9.9.9] }');
    block(
      egress,
      compileRules(`${allow}  deny: [{ name: one, to: [{ cidr: [10.9.9.9], port: [80] }] }]\n`),
      true,
    );
    await server.open('probe', 4);
    assert.equal(await server.connect('probe', somewhere), 'done');
    assert.equal(await server.write('probe'), 'EPERM');
    assert.equal(await server.connect('probe', ['10.9.9.9', 53]), 'done');
    assert.equal(await server.write('probe'), 'done');
    block(egress, compileRules(`${allow}  deny: [{ name: all, to: [{ cidr: [10.9.9.9] }] }]\n`), true);
    assert.equal(await server.connect('probe', somewhere), 'EPERM');
    await server.close('probe');
  });

  test('before the policy opens no way either', async () => {
    egress.flip(0);
    await server.open('old', 4);
    assert.equal(await server.connect('old', somewhere), 'done');
    block(egress, compileRules(only('{ cidr: [10.9.9.9], port: [443] }')), true);
    for (const how of ['sendfile', 'splice', 'write_file', 'write'] as const)
      assert.equal(await server.write('old', how), 'EPERM', how);
    await server.close('old');
  });
});

test('a UDP connect(), and what is sent by it, are recorded once each', async () => {
  block(egress, compileRules(only('{ cidr: [10.9.9.9, "2001:db8::9"], port: [53, 54] }')), true);
  for (const [family, address] of [
    [4, '10.9.9.9'],
    [6, '2001:db8::9'],
    [6, '::ffff:10.9.9.9'],
  ] as const) {
    await server.open('probe', family);
    const operations = async (answer: Promise<string>): Promise<number[]> => {
      assert.equal(await answer, 'done');
      return reported().map(({ operation }) => operation);
    };
    assert.deepEqual(await operations(server.connect('probe', [address, 53])), [Operation.intent]);
    assert.deepEqual(await operations(server.write('probe')), [Operation.send]);
    assert.deepEqual(await operations(server.write('probe')), []);
    assert.deepEqual(await operations(server.send('probe', [address, 54])), [Operation.send]);
    await server.close('probe');
  }
});

test('a datagram that was begun to a port that is denied does not go there by way of another peer', async () => {
  block(egress, compileRules(only('{ cidr: [10.9.9.9, "2001:db8::9"], port: [53] }')), true);
  for (const [family, [address, port], by] of [
    [4, PEER, 'four'],
    [6, PEER6, 'six'],
    [6, MAPPED, 'four'],
  ] as const) {
    await server.open('parts', family);
    assert.equal(await server.connect('parts', [address, port]), 'done');
    await server.more('parts');
    assert.equal(await server.disconnect('parts'), 'done');
    assert.equal(await server.connect('parts', [address, 53]), 'done');
    await server.write('parts');
    egress.flip(0);
    await server.close('parts');
    await server.open('after', family, [family === 4 ? '0.0.0.0' : '::', 5306]);
    assert.equal(await server.send('after', [address, port]), 'done');
    assert.match(await peer.receive(by), / 5306$/, 'the first that came');
    await server.close('after');
    block(egress, compileRules(only('{ cidr: [10.9.9.9, "2001:db8::9"], port: [53] }')), true);
  }
});

/** Sockets of the server, under a policy that allows the peer to no subject. */
async function openServer(): Promise<void> {
  block(egress, compileRules(NOBODY), true);
  await server.open('wide', 4, ['0.0.0.0', 5300]);
  await server.open('dual', 6, ['::', 5301]);
}

async function closeServer(): Promise<void> {
  await server.close('wide');
  await server.close('dual');
}

/** The peer speaks, and the server has heard it. */
async function hears(name: string, by: string, to: Place): Promise<void> {
  assert.equal(await peer.send(by, to), 'done');
  assert.match(await server.receive(name), /7000$/);
}

test('what is sent reaches no other port while a thread changes the peer of its socket', () => {
  block(egress, compileRules('  allow: [{ to: [{ cidr: [127.0.0.1], port: [9] }] }]'));
  const [command, ...words] = PEER_RACE;
  const { stdout, stderr } = spawnSync(command!, words, { encoding: 'utf8' });
  assert.equal(stdout, '0\n', stderr);
});

describe('a datagram to a peer from whom the socket has just received one', () => {
  beforeEach(openServer);
  afterEach(closeServer);

  test('is let through and not recorded: IPv4, IPv6 and IPv4 on a socket of IPv6', async () => {
    assert.equal(await server.send('wide', PEER), 'EPERM', 'as long as it has said nothing');
    takeEvents(egress);
    await hears('wide', 'four', ['10.0.0.2', 5300]);
    assert.equal(await server.send('wide', PEER, 3), 'done');
    assert.equal(await peer.receive('four'), '10.0.0.2 5300');
    assert.equal(await server.send('dual', PEER6), 'EPERM');
    assert.equal(await server.send('dual', MAPPED), 'EPERM');
    takeEvents(egress);
    await hears('dual', 'six', ['fd00::2', 5301]);
    assert.equal(await server.send('dual', PEER6), 'done');
    assert.equal(await peer.receive('six'), 'fd00::2 5301');
    await hears('dual', 'four', ['10.0.0.2', 5301]);
    assert.equal(await server.send('dual', MAPPED), 'done');
    assert.deepEqual(reported(), []);
  });

  test('is one from that socket, address and port alone', async () => {
    await server.open('shared', 4, ['0.0.0.0', 5302], { shared: true });
    await server.open('sharing', 4, ['0.0.0.0', 5302], { shared: true });
    await hears('wide', 'four', ['10.0.0.2', 5300]);
    assert.equal(await server.send('wide', ['10.9.9.9', 7001]), 'EPERM');
    assert.equal(await server.send('wide', ['10.9.9.8', 7000]), 'EPERM');
    assert.equal(await server.send('dual', MAPPED), 'EPERM');
    assert.equal(await server.send('shared', PEER), 'EPERM');
    assert.equal(await peer.send('four', ['10.0.0.2', 5302]), 'done');
    const answered = [await server.send('shared', PEER), await server.send('sharing', PEER)];
    assert.deepEqual(
      answered.sort(),
      ['EPERM', 'done'],
      'of the workers of a port, the one that has received it',
    );
    await server.close('shared');
    await server.close('sharing');
    await server.close('wide');
    await server.open('wide', 4, ['0.0.0.0', 5300]);
    assert.equal(await server.send('wide', PEER), 'EPERM', 'a socket that is made later');
  });

  test('is one of a server that connects its socket to the client, by every call', async () => {
    await hears('wide', 'four', ['10.0.0.2', 5300]);
    assert.equal(await server.connect('wide', PEER), 'done');
    for (const how of ['write', 'write_file', 'sendfile', 'splice'] as const)
      assert.equal(await server.write('wide', how), 'done', how);
    assert.deepEqual(reported(), []);
    assert.equal(await server.connect('wide', ['10.9.9.8', 7000]), 'EPERM');
  });

  test('passes the backstop, too', async () => {
    egress.attachBackstop(cgroupRoot());
    await peer.close('four');
    await peer.close('six');
    await openPeer();
    await hears('wide', 'four', ['10.0.0.2', 5300]);
    await hears('dual', 'six', ['fd00::2', 5301]);
    assert.equal(await server.send('wide', PEER), 'done');
    assert.equal(await peer.receive('four'), '10.0.0.2 5300');
    assert.equal(await server.send('dual', PEER6), 'done');
    assert.equal(await peer.receive('six'), 'fd00::2 5301');
  });
});

describe('it is judged all the same', () => {
  beforeEach(openServer);
  afterEach(closeServer);

  test('where this end spoke first: another policy ends that conversation', async () => {
    block(egress, compileRules(only('{ cidr: [10.9.9.9] }')), true);
    await server.open('bound', 4, ['0.0.0.0', 5303]);
    await server.open('client', 4);
    assert.equal(await server.send('bound', PEER), 'done');
    assert.equal(await server.connect('client', ['10.9.9.9', 53]), 'done');
    assert.equal(await server.write('client'), 'done');
    assert.equal(await peer.send('four', ['10.0.0.2', 5303]), 'done');
    assert.match(await server.receive('bound'), /7000$/);
    assert.match(await server.receive('client'), /53$/);
    block(egress, compileRules(NOBODY), true);
    assert.equal(await server.send('bound', PEER), 'EPERM');
    assert.equal(await server.write('client'), 'EPERM');
    await server.close('bound');
    await server.close('client');
  });

  test('when a minute has passed since', async () => {
    await hears('wide', 'four', ['10.0.0.2', 5300]);
    assert.equal(await server.send('wide', PEER), 'done');
    makeOlder();
    assert.equal(await server.send('wide', PEER), 'EPERM');
    await hears('wide', 'four', ['10.0.0.2', 5300]);
    assert.equal(await server.send('wide', PEER), 'done', 'until it speaks again');
  });
});

describe('one that the peer has not really sent is no reason', () => {
  beforeEach(openServer);
  afterEach(closeServer);

  test('over the loopback device', async () => {
    await server.open('false', 6, PEER6, { free: true });
    assert.equal(await server.send('false', ['::1', 5301]), 'done');
    assert.equal(await server.receive('dual'), PEER6.join(' '), 'it came over the loopback device');
    assert.equal(await server.send('dual', PEER6), 'EPERM');
    assert.equal(await server.send('false', ['fd00::2', 5301]), 'done');
    assert.equal(await server.receive('dual'), PEER6.join(' '));
    assert.equal(await server.send('dual', PEER6), 'EPERM');
    await server.close('false');
  });

  test('to a group that this host is in itself', async () => {
    const group = ['ff02::7:7', 'egress0'] as [string, string];
    block(egress, compileRules(only('{ cidr: ["ff02::/16"] }')), true);
    await server.open('member', 6, ['::', 5304], { group });
    await server.open('false', 6, PEER6, { free: true });
    assert.equal(await server.send('false', ['ff02::7:7%egress0', 5304]), 'done');
    assert.equal(await server.receive('member'), PEER6.join(' '), 'its own copy came back');
    assert.equal(await server.send('member', PEER6), 'EPERM');
    await server.close('member');
    await server.close('false');
  });
});

/** A pair of namespaces of one user: what is in the second has whatever address the user wants. */
const SETUP = [
  'ip link set lo up; ip link add near type veth peer name far; ip link set near up; ip addr add 10.8.0.1/24 dev near',
  'unshare -n sleep 60 >/dev/null 2>&1 & sleep=$!',
  'until [ "$(readlink /proc/$sleep/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done',
  'ip link set far netns $sleep; in="nsenter -t $sleep -n"',
  '$in ip link set far up; $in ip addr add 10.8.0.2/24 dev far; $in ip addr add 10.9.9.9/32 dev far',
  'ip route add 10.9.9.9 via 10.8.0.2',
  '$in python3 -c "$1" >/dev/null 2>&1 & speaker=$!',
  'python3 -c "$2"; kill $speaker $sleep',
].join('\n');

const SPOOFING = `
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('10.9.9.9', 7000))
for _ in range(100):
    s.sendto(b'x', ('10.8.0.1', 5305))
    time.sleep(0.05)`;

const ANSWERING = `
import errno, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('0.0.0.0', 5305))
s.settimeout(20)
place = s.recvfrom(9)[1]
try:
    s.sendto(b'x', place)
    print(place, 'done')
except OSError as error:
    print(place, errno.errorcode[error.errno])`;

describe('nor is one', () => {
  test('in a network namespace that a user has made', async () => {
    block(egress, compileRules(only('{ cidr: [10.8.0.0/24] }')), true);
    const words = ['-Urn', 'bash', '-ec', SETUP, 'bash', SPOOFING, ANSWERING];
    const { stdout, stderr } = spawnSync(
      'setpriv',
      ['--reuid', '1000', '--regid', '1000', '--clear-groups', 'timeout', '60', 'unshare', ...words],
      { encoding: 'utf8' },
    );
    assert.equal(stdout, "('10.9.9.9', 7000) EPERM\n", stderr);
  });
});

/** Lets a minute have passed since every word that is kept. */
function makeOlder(): void {
  const dump = spawnSync('bpftool', ['--json', 'map', 'dump', 'name', 'conversations'], { encoding: 'utf8' });
  const entries = JSON.parse(dump.stdout) as { key: string[]; value: string[] }[];
  assert.ok(entries.length > 0, dump.stderr);
  for (const { key, value } of entries) {
    const bytes = Buffer.from(value.map(Number));
    bytes.writeBigUInt64LE(BigInt.asUintN(64, bytes.readBigUInt64LE() - 60_000_000_000n));
    const entry = ['key', 'hex', ...hexOf(key.map(Number)), 'value', 'hex', ...hexOf(bytes)];
    run('bpftool', 'map', 'update', 'name', 'conversations', ...entry);
  }
}

function hexOf(bytes: Iterable<number>): string[] {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'));
}
