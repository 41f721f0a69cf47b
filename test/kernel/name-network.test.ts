/** What names mean in the network of a container: made here as a runtime does it, with a resolver inside as docker's. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { NameCounter } from '../../bpf/wire.ts';
import { ContainerNetworks } from '../../daemon/name/container-networks.ts';
import { visibleNamespace } from '../../host/namespace.ts';
import type { Bundle } from '../../profiler/identity/runtime/bundle.ts';
import { LineProcess } from './line-process.ts';
import { NameClient } from './name-client.ts';
import { addressOf, allow, bed, counted, reach, WANTED, WITHIN } from './name/bed.ts';

const PINS = '/run/netns';
const INSIDE = ['nsenter', `--net=${PINS}/box`];
/**
 * Root holds the socket of the first one from the host's network, at a port of its choice to which port 53 is led; that of
 * the second a process in the container.
 */
const [OUTER, INNER] = ['127.0.0.11', '127.0.0.12'];
const OUTER_PORT = '5300';

/** Answers with WANTED from a socket that it has opened in the network of the box, and holds from that of the host. */
const RESOLVER = `
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def enter(path):
    fd = os.open(path, os.O_RDONLY)
    assert libc.setns(fd, 0x40000000) == 0
    os.close(fd)
enter('${PINS}/box')
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.bind((sys.argv[1], int(sys.argv[2])))
if sys.argv[3] == 'outside':
    enter('/proc/1/ns/net')
print('ready', flush=True)
while True:
    message, client = made.recvfrom(4096)
    question = message[12:message.index(b'\\0', 12) + 5]
    record = b'\\xc0\\x0c' + bytes([0, 1, 0, 1, 0, 0, 0, 60, 0, 4]) + socket.inet_aton('${WANTED}')
    made.sendto(message[:2] + b'\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0' + question + record, client)
`;

const folder = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
let networks: ContainerNetworks;
let box: NameClient;
const resolvers: LineProcess[] = [];

function bundle(entry: string): Bundle {
  const at = join(folder, entry);
  // What the path of every process's cgroup has.
  return { id: '/', configs: [join(at, 'config.json')], pidFile: join(at, 'pid') };
}

function ip(...words: string[]): void {
  const { status, stderr } = spawnSync('ip', words, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/** Looks at the networks of containers as the daemon does. */
function look(): void {
  networks.look(0);
  bed.table.inside = networks.list.flatMap((each) => each.resolvers(['auto']));
}

/** Writes what a runtime does before the first process of a container runs anything of the image. */
function run(pid: number): void {
  const at = join(folder, 'box');
  mkdirSync(at);
  const source = join(at, 'resolv.conf');
  writeFileSync(source, `nameserver ${OUTER}\nnameserver ${INNER}\n`);
  const linux = { namespaces: [{ type: 'network' }] };
  const mounts = [{ destination: '/etc/resolv.conf', source }];
  writeFileSync(join(at, 'config.json'), JSON.stringify({ linux, mounts }));
  writeFileSync(join(at, 'pid'), String(pid));
}

before(async () => {
  ip('netns', 'add', 'box');
  ip('-n', 'box', 'link', 'set', 'lo', 'up');
  const rules = [
    `OUTPUT --destination ${OUTER} --protocol udp --dport 53 --jump DNAT --to-destination ${OUTER}:${OUTER_PORT}`,
    `POSTROUTING --source ${OUTER} --protocol udp --sport ${OUTER_PORT} --jump SNAT --to-source :53`,
  ];
  for (const rule of rules)
    ip('netns', 'exec', 'box', 'iptables', '--table', 'nat', '--append', ...rule.split(' '));
  for (const words of [
    [OUTER!, OUTER_PORT, 'outside'],
    [INNER!, '53', 'inside'],
  ])
    resolvers.push(await LineProcess.start(['python3', '-c', RESOLVER, ...words]));
  box = await NameClient.start(...INSIDE);
  networks = new ContainerNetworks({
    folders: () => [{ path: folder, bundle }],
    roots: [],
    pins: [PINS],
    host: visibleNamespace('net'),
  });
});

after(async () => {
  await box[Symbol.asyncDispose]();
  for (const each of resolvers) process.kill(each.pid);
  for (const each of resolvers) await each[Symbol.asyncDispose]();
  networks[Symbol.dispose]();
  spawnSync('ip', ['netns', 'del', 'box']);
});

const asks = (name: string, resolver = OUTER): Promise<unknown> => box.does('ask', [name, resolver]);

describe('in the network of a container', () => {
  test('nobody is believed before its runtime is known to have made it', async () => {
    allow(`{ name: ["*.box.test"], ${WITHIN} }`);
    const before = counted(NameCounter.foreignAnswer);
    assert.equal(await asks('early.box.test'), 'done');
    assert.equal(counted(NameCounter.foreignAnswer), before + 1);
    assert.equal(await reach(WANTED, 80, box), 'denied');
  });

  test('a resolver that root holds from outside is believed, and one that is held in it is not', async () => {
    run(box.pid);
    look();
    const before = counted(NameCounter.unlistedAnswer);
    assert.equal(await asks('inner.box.test', INNER), 'done');
    assert.equal(counted(NameCounter.unlistedAnswer), before + 1);
    assert.equal(await reach(WANTED, 80, box), 'denied');
    assert.equal(await asks('outer.box.test'), 'done');
    assert.equal(await reach(WANTED, 80, box), 'done');
  });

  test('so it is where a program connects no socket to it, as musl does', async () => {
    allow(`{ name: [musl.box.test], ${WITHIN} }`);
    assert.equal(await reach(WANTED, 80, box), 'denied');
    assert.equal(await box.does('ask', ['musl.box.test', OUTER], { connected: false }), 'done');
    assert.equal(await reach(WANTED, 80, box), 'done');
    allow(`{ name: ["*.box.test"], ${WITHIN} }`);
  });

  test('what is learnt counts for nobody else, and what others learn does not count there', async () => {
    assert.equal(await reach(WANTED), 'denied');
    assert.equal(await bed.client.does('visit', ['host.box.test']), 'done');
    assert.equal(await reach(addressOf('host.box.test'), 80, box), 'denied');
  });

  test('a user who speaks as that resolver is dropped', async () => {
    allow(`{ name: ["*.bank.test"], ${WITHIN} }, { cidr: [127.0.0.0/8] }`);
    // As docker sets it up: port 53 is everybody's.
    ip('netns', 'exec', 'box', 'sh', '-c', 'echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start');
    await using user = await NameClient.start(...INSIDE, 'setpriv', '--reuid=1000', '--clear-groups');
    const before = counted(NameCounter.impostor);
    const named = { resolver: OUTER, asked: INNER };
    assert.equal(await user.does('pretend', ['forged.bank.test', WANTED], named), 'EPERM');
    assert.equal(counted(NameCounter.impostor), before + 1);
    assert.equal(await reach(WANTED, 80, user), 'denied');
  });

  test('all is forgotten when it ends, before another can have its number', async () => {
    allow(`{ name: ["*.box.test"], ${WITHIN} }`);
    assert.equal(await reach(WANTED, 80, box), 'done', 'it was learnt before');
    const { known } = bed.verdicts.status;
    const number = statSync(`${PINS}/box`).ino;
    ip('netns', 'del', 'box');
    look();
    assert.deepEqual([...networks.ended], [number]);
    bed.verdicts.forget(networks.ended);
    assert.equal(bed.verdicts.status.known, known - 1);
    assert.equal(await reach(WANTED, 80, box), 'denied');
    const before = counted(NameCounter.foreignAnswer);
    assert.equal(await asks('late.box.test'), 'done');
    assert.equal(counted(NameCounter.foreignAnswer), before + 1);
    networks.release();
  });
});
