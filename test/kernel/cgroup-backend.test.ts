/** The backend for kernels without BPF LSM: it judges and records the processes of one cgroup and no others. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Egress } from '../../bpf/egress.ts';
import { Operation } from '../../profiler/event/batch.ts';
import { Client, type Destination, type Work } from './client/client.ts';
import { block, compileRules } from './client/policy.ts';
import { type Event, takeEvents } from './egress/event.ts';
import { SocketActor } from './socket-actor.ts';

const CGROUP = '/sys/fs/cgroup/judged';
const INSIDE = `${CGROUP}/inside`;
const TCP = 6;
const UDP = 17;

const by = (address: string, port = 9): Destination => ({ address, port });
const ALLOWED = [by('198.51.100.1'), by('2001:db8::1'), by('::ffff:198.51.100.1')];
const ELSEWHERE = [by('203.0.113.1'), by('2001:db8::66'), by('::ffff:203.0.113.1')];
const OTHER_PORT = [by('198.51.100.1', 10)];
const DESTINATIONS = [...ALLOWED, ...ELSEWHERE, ...OTHER_PORT];
const POLICY = compileRules(`
  allow:
    - { from: { uid: [1000] }, to: [{ cidr: [198.51.100.1, "2001:db8::1"], port: [9] }] }
`);

const CALLS = [
  { call: 'TCP', protocol: TCP, operation: Operation.connect, refused: [...ELSEWHERE, ...OTHER_PORT] },
  // It sends nothing: its address alone counts.
  { call: 'CONNECT', protocol: UDP, operation: Operation.intent, refused: ELSEWHERE },
  { call: 'SEND', protocol: UDP, operation: Operation.send, refused: [...ELSEWHERE, ...OTHER_PORT] },
] as const;

let egress: Egress;
before(() => {
  mkdirSync(INSIDE, { recursive: true });
  egress = Egress.load({ backend: 'cgroup', cgroup: CGROUP }, { connections: 1 << 16, denials: 4 << 20 });
  block(egress, POLICY, true);
});
after(() => egress[Symbol.dispose]());

function run(...[program, ...words]: string[]): void {
  const { status, stderr } = spawnSync(program!, words, { encoding: 'utf8' });
  assert.equal(status, 0, `${program} ${words.join(' ')}: ${stderr}`);
}

/** Goes to each destination once; the verdicts, and what was recorded. */
async function go(work: Omit<Work, 'destinations'>): Promise<{ denied: Destination[]; events: Event[] }> {
  const client = new Client({ destinations: DESTINATIONS, rounds: 1, uid: 1000, ...work });
  const tallies = await client.tallies();
  const denied = DESTINATIONS.filter((_, index) => tallies[index]!.denied === 1);
  const events = takeEvents(egress);
  assert(events.every(({ pid }) => pid === client.pid));
  return { denied, events };
}

/** What repeats is counted, and read after the others. */
function inOrder<T>(rows: T[]): T[] {
  return rows.toSorted((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
}

for (const { call, protocol, operation, refused } of CALLS) {
  test(`${call} in the cgroup, and in one below it, is judged and recorded`, async () => {
    for (const cgroup of [CGROUP, INSIDE]) {
      const { denied, events } = await go({ call, cgroup });
      assert.deepEqual(denied, refused);
      assert.deepEqual(
        inOrder(
          events.map((event) => [
            event.to,
            event.port,
            event.protocol,
            event.operation,
            event.uid,
            event.blocked,
          ]),
        ),
        inOrder(
          DESTINATIONS.map((destination) => [
            destination.address.replace('::ffff:', ''),
            destination.port,
            protocol,
            operation,
            1000,
            refused.includes(destination),
          ]),
        ),
      );
    }
  });

  test(`${call} by another user is denied`, async () => {
    const { denied } = await go({ call, cgroup: INSIDE, uid: 2000 });
    assert.deepEqual(denied, DESTINATIONS);
  });

  test(`${call} outside the cgroup is neither judged nor recorded`, async () => {
    assert.deepEqual(await go({ call }), { denied: [], events: [] });
  });
}

test('what a server in the cgroup answers is neither judged nor recorded, and no false source makes an answer', async () => {
  await using server = await SocketActor.start('sh', '-c', `echo 0 >${CGROUP}/cgroup.procs; exec "$@"`, 'sh');
  await using peer = await SocketActor.start();
  await server.open('server', 6, ['::', 5300]);
  await peer.open('four', 4, ['127.0.0.1', 7000]);
  await peer.open('six', 6, ['::1', 7000]);
  await peer.open('false', 6, ['2001:db8::9', 7000], { free: true });
  const own = (): unknown[] =>
    takeEvents(egress)
      .filter(({ pid }) => pid === server.pid)
      .map(({ to, blocked }) => [to, blocked]);
  own();
  for (const [by, to, from] of [
    ['four', '127.0.0.1', '::ffff:127.0.0.1'],
    ['six', '::1', '::1'],
  ] as const) {
    assert.equal(await server.send('server', [from, 7000]), 'EPERM', 'as long as it has said nothing');
    assert.equal(own().length, 1);
    assert.equal(await peer.send(by, [to, 5300]), 'done');
    assert.equal(await server.receive('server'), `${from} 7000`);
    assert.equal(await server.send('server', [from, 7000]), 'done');
    assert.equal(await peer.receive(by), `${to} 5300`);
    assert.equal(await server.connect('server', [from, 7000]), 'done');
    assert.equal(await server.connect('server', [from, 7001]), 'EPERM');
    assert.deepEqual(own(), [[to, true]]);
    await server.close('server');
    await server.open('server', 6, ['::', 5300]);
  }
  assert.equal(await peer.send('false', ['::1', 5300]), 'done');
  assert.equal(await server.receive('server'), '2001:db8::9 7000');
  assert.equal(await server.send('server', ['2001:db8::9', 7000]), 'EPERM');
  assert.deepEqual(own(), [['2001:db8::9', true]]);
});

test('a destination that is translated is judged and recorded as the program named it', async () => {
  const rule = ['OUTPUT', '-d', '198.51.100.1', '-p', 'udp', '-j', 'DNAT', '--to', '127.0.0.1:5399'];
  run('ip', 'addr', 'add', '198.51.100.1/32', 'dev', 'lo');
  run('iptables', '-t', 'nat', '-A', ...rule);
  const script = `echo 0 >${CGROUP}/cgroup.procs; exec setpriv --reuid 1000 --clear-groups "$@"`;
  await using client = await SocketActor.start('sh', '-c', script, 'sh');
  await using server = await SocketActor.start();
  await server.open('server', 4, ['127.0.0.1', 5399]);
  for (const sends of ['write', 'send'] as const) {
    await client.open(sends, 4);
    if (sends === 'write') assert.equal(await client.connect(sends, ['198.51.100.1', 9]), 'done');
    takeEvents(egress);
    const answer = sends === 'write' ? client.write(sends) : client.send(sends, ['198.51.100.1', 9]);
    assert.equal(await answer, 'done');
    assert.match(await server.receive('server'), /^(198\.51\.100\.1|127\.0\.0\.1) /);
    const own = takeEvents(egress).filter(({ pid }) => pid === client.pid);
    assert.deepEqual(
      own.map(({ to, port, blocked }) => [to, port, blocked]),
      [['198.51.100.1', 9, false]],
    );
  }
  run('iptables', '-t', 'nat', '-D', ...rule);
  run('ip', 'addr', 'del', '198.51.100.1/32', 'dev', 'lo');
});

test('nothing is judged in the cgroup once the programs are gone', async () => {
  const loaded = Egress.load({ backend: 'cgroup', cgroup: CGROUP }, { connections: 4096, denials: 4096 });
  // Both are asked, and both must agree: the second has no policy yet.
  assert.deepEqual((await go({ cgroup: CGROUP })).denied, ELSEWHERE);
  egress[Symbol.dispose]();
  egress = loaded;
  assert.deepEqual(await go({ cgroup: CGROUP }), { denied: [], events: [] });
  for (const { call } of CALLS) assert.deepEqual((await go({ call, cgroup: INSIDE })).denied, []);
});
