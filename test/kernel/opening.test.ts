/** A socket of a kind that takes a permission is opened once in the record, whether it is used or not. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { Egress } from '../../bpf/egress.ts';
import { SideFlag, SocketKind } from '../../bpf/wire.ts';
import { Operation } from '../../profiler/event/batch.ts';
import { block, compileRules } from './client/policy.ts';
import { takeEvents } from './egress/event.ts';
import { loadEnforcing } from './enforcing.ts';
import { LineProcess } from './line-process.ts';

/** Opens sockets and sends by them on command; `child` sends in a child. Answers `done` or the name of an error. */
const PROGRAM = `
import errno, os, socket, struct, sys
frame = bytes(12) + struct.pack('!H', 0x88b5) + bytes(46)
ICMPV6_ECHO = bytes([128, 0, 0, 0, 0, 7, 0, 1])
kinds = {
    'raw': (lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 253), b'x', ('127.0.0.1', 0)),
    'raw6': (lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6), ICMPV6_ECHO, ('::1', 0)),
    'packet': (lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0), frame, ('lo', 0x88b5)),
}
sockets = {}

def send(kind):
    _, data, to = kinds[kind]
    sockets[kind].sendto(data, to)

def child(kind):
    pid = os.fork()
    if pid == 0:
        send(kind)
        os._exit(0)
    os.waitpid(pid, 0)

def open_(kind):
    sockets[kind] = kinds[kind][0]()

does = {'open': open_, 'send': send, 'child': child}
print('ready', flush=True)
for line in sys.stdin:
    what, kind = line.split()
    try:
        does[what](kind)
        print('done', flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno], flush=True)
`;

const KINDS = { raw: SocketKind.raw, raw6: SocketKind.raw, packet: SocketKind.packet } as const;
type Kind = keyof typeof KINDS;

const ALLOWED = compileRules('  allow: [{ to: [{}], sockets: [raw, packet] }]\n');

let egress: Egress;
let program: LineProcess;

before(() => {
  egress = loadEnforcing();
});
after(() => egress[Symbol.dispose]());

beforeEach(async () => {
  egress.flip(SideFlag.record);
  program = await LineProcess.start(['python3', '-I', '-S', '-c', PROGRAM]);
  takeEvents(egress);
});

async function does(what: 'open' | 'send' | 'child', kind: Kind): Promise<string> {
  program.tell(`${what} ${kind}\n`);
  return program.line();
}

/** The kinds of sockets that were opened since the last look: by the program, or by its children. */
function opened(by: 'itself' | 'children' = 'itself'): number[] {
  return takeEvents(egress)
    .filter(({ operation }) => operation === Operation.open)
    .filter(({ pid }) => (pid === program.pid) === (by === 'itself'))
    .map(({ port }) => port);
}

for (const [kind, number] of Object.entries(KINDS) as [Kind, number][]) {
  test(`${kind}: it is opened once, and used twice, while all is recorded`, async () => {
    await using _ = program;
    assert.equal(await does('open', kind), 'done');
    assert.deepEqual(opened(), [number]);
    assert.deepEqual([await does('send', kind), await does('send', kind)], ['done', 'done']);
    assert.deepEqual(opened(), []);
  });

  test(`${kind}: the same under a policy that allows it`, async () => {
    await using _ = program;
    block(egress, ALLOWED, true);
    assert.equal(await does('open', kind), 'done');
    assert.equal(await does('send', kind), 'done');
    assert.deepEqual(opened(), [number]);
  });

  test(`${kind}: another policy, and another process, are asked when it is used`, async () => {
    await using _ = program;
    assert.equal(await does('open', kind), 'done');
    assert.deepEqual(opened(), [number]);
    assert.equal(await does('child', kind), 'done');
    assert.deepEqual(opened('children'), [number]);
    block(egress, compileRules('  allow: [{ to: [{}] }]\n'), true);
    assert.equal(await does('send', kind), 'EPERM');
    assert.deepEqual(opened(), [number]);
  });

  test(`${kind}: one that was denied leaves nothing behind for the next one`, async () => {
    await using _ = program;
    block(egress, compileRules('  allow: [{ to: [{}] }]\n'), true);
    assert.equal(await does('open', kind), 'EPERM');
    assert.deepEqual(opened(), [number]);
    block(egress, ALLOWED, true);
    assert.equal(await does('open', kind), 'done');
    assert.equal(await does('send', kind), 'done');
    assert.deepEqual(opened(), [number]);
  });
}
