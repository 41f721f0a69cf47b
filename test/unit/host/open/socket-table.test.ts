import { statSync } from 'node:fs';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import { findNetworks } from '../../../../host/open/network.ts';
import { holdersOfAll } from '../../../../host/open/socket-holder.ts';
import {
  parsePacketSockets,
  parseSockets,
  readSocketTable,
  SocketState,
} from '../../../../host/open/socket-table.ts';

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const REST = '1 00000000edc33079 20 4 30 10 -1';

test('a line for IPv4 has its bytes in the order of the processor', () => {
  const line = `   1: 0200000A:A2C4 0100007F:1F90 01 00000000:00000000 02:000002A8 00000000  1000        0 4711 ${REST}`;
  assert.deepEqual(parseSockets(`${HEAD}\n${line}\n`), [
    {
      local: { family: 4, value: 0x0a000002n, port: 41_668 },
      remote: { family: 4, value: 0x7f000001n, port: 8080 },
      state: SocketState.established,
      uid: 1000,
      inode: '4711',
    },
  ]);
});

test('a line for IPv6 has four words, each in that order', () => {
  const local = '00000000000000000000000001000000:0016';
  const remote = 'B80D0120000000000000000007000000:C822';
  const line = `   0: ${local} ${remote} 0A 00000000:00000000 00:00000000 00000000     0        0 12 ${REST}`;
  assert.deepEqual(parseSockets(line), [
    {
      local: { family: 6, value: 1n, port: 22 },
      remote: { family: 6, value: 0x20010db8000000000000000000000007n, port: 51_234 },
      state: SocketState.listen,
      uid: 0,
      inode: '12',
    },
  ]);
});

test('a mapped address stays one of IPv6, and a number of a line may have any length', () => {
  const line = `12345: 0000000000000000FFFF00000100000A:01BB 0000000000000000FFFF0000FE00000A:0050 06 0:0 00:0 0 4294967294 0 999999999999 ${REST}`;
  const [socket] = parseSockets(line);
  assert.deepEqual(socket!.remote, { family: 6, value: 0xffff_0a00_00fen, port: 80 });
  assert.deepEqual([socket!.uid, socket!.inode, socket!.state], [4_294_967_294, '999999999999', 6]);
});

test('what is no line of a socket is left out', () => {
  const whole = `   1: 0200000A:A2C4 0100007F:1F90 01 00000000:00000000 02:000002A8 00000000  1000        0 4711 ${REST}`;
  for (const odd of [
    '',
    HEAD,
    whole.slice(0, 60),
    whole.replace('0200000A', '0200000'),
    whole.replace('0200000A', '0200000G'),
    whole.replace('1F90', '11F90'),
    whole.replace(' 01 ', ' 1x '),
    whole.replace(' 1000 ', ' -1 '),
    whole.replace('4711', 'inode'),
    // Nobody has it open any more.
    whole.replace('4711', '0'),
    '\0'.repeat(4096),
  ]) {
    assert.deepEqual(parseSockets(odd), [], JSON.stringify(odd));
  }
  assert.equal(parseSockets([HEAD, whole.slice(0, 60), whole, ''].join('\n')).length, 1);
});

test('packet sockets have their device and owner', () => {
  const head = 'sk               RefCnt Type Proto  Iface R Rmem   User   Inode';
  const line = '00000000a1b2c3d4 3      3    0003   2     1 0      101    31337 ';
  assert.deepEqual(parsePacketSockets(`${head}\n${line}\nffff 3 3\n`), [
    { device: 2, uid: 101, inode: '31337' },
  ]);
});

for (const host of ['127.0.0.1', '::1']) {
  test(`the real table has both ends of a connection over ${host}, and this process as their holder`, async () => {
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connect(port, host);
    const [accepted] = (await once(server, 'connection')) as [ReturnType<typeof connect>];
    const { tcp } = readSocketTable('self');
    const holders = holdersOfAll();
    const listening = tcp.filter(({ local, state }) => local.port === port && state === SocketState.listen);
    assert.equal(listening.length, 1);
    const opened = tcp.filter(({ remote }) => remote.port === port);
    const answered = tcp.filter(({ local, remote }) => local.port === port && remote.port !== 0);
    assert.deepEqual([opened.length, answered.length], [1, 1]);
    assert.deepEqual(opened[0]!.remote, answered[0]!.local);
    for (const { inode } of [...listening, ...opened, ...answered])
      assert.equal(holders.get(inode), process.pid);
    client.destroy();
    accepted.destroy();
    server.close();
  });
}

test('the real table has the peer of a connected datagram socket', async () => {
  const socket = createSocket('udp4');
  socket.connect(9, '127.0.0.9');
  await once(socket, 'connect');
  const { port } = socket.address();
  const found = readSocketTable('self').udp.find(({ local }) => local.port === port);
  assert.deepEqual(found?.remote, { family: 4, value: 0x7f000009n, port: 9 });
  assert.equal(found.uid, process.getuid!());
  socket.close();
});

test('our own network namespace comes first, once', () => {
  const { networks } = findNetworks();
  const namespace = statSync('/proc/self/ns/net').ino;
  assert.deepEqual(networks[0], { pid: process.pid, namespace, own: true });
  assert.equal(networks.filter(({ own }) => own).length, 1);
});

test('a look at all that is open ends in time, with what was reached', () => {
  assert.equal(holdersOfAll(-1).size, 0);
});

test('a process that is gone has no sockets', () => {
  assert.deepEqual(readSocketTable(4_194_305), { tcp: [], udp: [], raw: [], packet: [] });
});
