/** What a connection's destination is called: DNS answers, read before the program that asked receives them. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type Answer, decode, encode, type Packet, streamDecode, streamEncode } from 'dns-packet';
import { Egress } from '../../bpf/egress.ts';
import { Names } from '../../bpf/name/names.ts';
import { NameCounter, SideFlag } from '../../bpf/wire.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { formatAddress } from '../../policy/value/address.ts';
import { Operation } from '../../profiler/event/batch.ts';
import { Known } from '../../profiler/event/columns.ts';
import { AccountNames } from '../../profiler/identity/account.ts';
import { ContainerNames } from '../../profiler/identity/container.ts';
import { CredentialTable } from '../../profiler/identity/credential-table.ts';
import { ProcessTable } from '../../profiler/identity/process-table.ts';
import { ResolverTable } from '../../profiler/name/resolver-table.ts';
import { Resolvers } from '../../profiler/name/resolvers.ts';
import { Recorder } from '../../profiler/record/recorder.ts';
import { Written } from '../unit/profiler/recorder-fixture.ts';
import { prepareGuest } from './name/guest.ts';
import { NameClient } from './name-client.ts';

/** Addresses that names stand for here: none that anything else connects to. */
const POOL = '10.7.';
/** The one that a forger wants a name for. */
const WANTED = '10.66.6.6';

let egress: Egress;
let names: Names;
let written: Written;
let recorder: Recorder;
let client: NameClient;
const closing: (() => void)[] = [];
let next = 0;

/** Each name has an address of its own, given at the first question. */
const given = new Map<string, string>();

function addressOf(name: string): string {
  const address = given.get(name) ?? `${POOL}${next >> 8}.${next++ & 255}`;
  given.set(name, address);
  return address;
}

/** `many.N`: that many addresses; `via.NAME`: NAME by a CNAME; everything else has one. */
function answersTo(name: string, type: string): Answer[] {
  if (name.startsWith('nothing.')) return [];
  if (type === 'AAAA') return [{ type: 'AAAA', name, data: `fd00:7::${(next++).toString(16)}`, ttl: 60 }];
  const many = /^many(\d+)\./.exec(name)?.[1];
  if (many !== undefined)
    return Array.from({ length: Number(many) }, (_, at) => ({
      type: 'A',
      name,
      data: `10.8.0.${at}`,
      ttl: 60,
    }));
  if (name.startsWith('via.'))
    return [
      { type: 'CNAME', name, data: name.slice(4), ttl: 60 },
      { type: 'A', name: name.slice(4), data: addressOf(name), ttl: 60 },
    ];
  return [{ type: 'A', name, data: addressOf(name), ttl: 60 }];
}

function reply({ id, questions }: Packet): Packet {
  const [{ name, type }] = questions as [{ name: string; type: string }];
  return {
    type: 'response',
    id: id!,
    flags: 0x0180,
    questions: questions!,
    answers: answersTo(name.toLowerCase(), type),
    additionals: [{ type: 'A', name: 'glue.test', data: WANTED, ttl: 60 }],
  };
}

async function serve(address: string, family: 'udp4' | 'udp6'): Promise<void> {
  const socket: Socket = createSocket(family);
  socket.on('message', (message, { address: to, port }) =>
    socket.send(encode(reply(decode(message))), port, to),
  );
  await new Promise<void>((resolve) => socket.bind(53, address, resolve));
  closing.push(() => socket.close());
}

async function serveStreams(address: string): Promise<void> {
  const server: Server = createServer((connection) => {
    connection.on('data', (data) => {
      for (let rest = data; rest.length > 0; rest = rest.subarray(2 + rest.readUInt16BE(0)))
        connection.write(streamEncode(reply(streamDecode(rest)!)));
    });
    connection.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(53, address, resolve));
  closing.push(() => server.close());
}

interface Seen {
  address: string;
  names: readonly string[];
  known: number;
}

/** The connections since the last call, to port 80. What the resolver of libc only probes is none. */
function seen(): Seen[] {
  const from = written.events.length;
  recorder.drain();
  recorder.flush();
  return written.events
    .slice(from)
    .filter(({ operation, port }) => port === 80 && operation === Operation.connect)
    .map(({ addressHigh, addressLow, family, known, names: set }) => ({
      address: formatAddress({
        family: family as 4 | 6,
        value: ((addressHigh as bigint) << 64n) | (addressLow as bigint),
      }),
      names: written.nameSets[(set as number) - 1] ?? [],
      known: known as number,
    }));
}

/** By what an address is known when the client connects to it. */
async function nameOf(address: string, who = client): Promise<readonly string[]> {
  seen();
  await who.does('reach', [address]);
  const [connection] = seen();
  assert.equal(connection!.address, address);
  return connection!.names;
}

async function asks(what: string, words: unknown[], named = {}, who = client): Promise<void> {
  assert.equal(await who.does(what, words, named), 'done');
}

before(async () => {
  closing.push(prepareGuest(['127.0.0.1']));
  for (const address of ['127.0.0.1', '127.0.0.2']) await serve(address, 'udp4');
  await serve('::1', 'udp6');
  await serveStreams('127.0.0.1');
  egress = Egress.load();
  names = Names.load(cgroupRoot(), egress.known);
  written = new Written();
  const processes = new ProcessTable(written, new ContainerNames([]));
  recorder = new Recorder(egress, written, processes, new CredentialTable(written, new AccountNames()));
  const resolvers = new Resolvers();
  assert.deepEqual(new ResolverTable(names.resolvers, resolvers).unheld, []);
  recorder.readNames(names, resolvers);
  egress.flip(SideFlag.record);
  client = await NameClient.start();
});
beforeEach(() => {
  seen();
});
after(async () => {
  await client[Symbol.asyncDispose]();
  for (const close of closing) close();
  names[Symbol.dispose]();
  egress[Symbol.dispose]();
});

describe('a connection', () => {
  test('has the name that its process asked for', async () => {
    await client.does('visit', ['api.example.test']);
    const address = addressOf('api.example.test');
    assert.deepEqual(seen(), [{ address, names: ['api.example.test'], known: Known.self }]);
    const { process, question } = written.answers.at(-1)!;
    assert.equal(question, 'api.example.test');
    assert.match(written.processes[process - 1]!.exe, /python/);
  });

  test('in the next system call after the answer has its name, each of 300', async () => {
    await client.does('visit', ['race.test', 300]);
    const found = seen();
    assert.equal(found.length, 300);
    for (const [at, { known, names: set }] of found.entries())
      assert.deepEqual([set, known], [[`${at}.race.test`], Known.self]);
    assert.deepEqual(written.losses, []);
  });

  test('of another process is known by what this one asked', async () => {
    await client.does('resolve', ['shared.test']);
    await using other = await NameClient.start();
    await other.does('reach', [addressOf('shared.test')]);
    const [connection] = seen();
    assert.deepEqual([connection!.names, connection!.known], [['shared.test'], Known.cgroup]);
  });

  test('has the name that was asked for, not the one behind it', async () => {
    await client.does('visit', ['via.edge.test']);
    assert.deepEqual(seen()[0]!.names, ['via.edge.test']);
    assert.deepEqual(written.answers.at(-1)!.chain, ['edge.test']);
  });

  test('has a name in lower case, and IPv6 addresses have theirs', async () => {
    const [address] = (await client.does('resolve', ['MiXeD.Test', 10])) as [string];
    assert.deepEqual(await nameOf(address), ['mixed.test']);
  });

  test('to an address that nobody asked for has none', async () => {
    assert.deepEqual(await nameOf('10.99.0.1'), []);
  });
});

describe('an answer is read', () => {
  test('over TCP, and two in one segment', async () => {
    assert.equal(
      await client.does('ask', ['stream.test', '127.0.0.1'], { stream: true, double: true }),
      'done',
    );
    assert.deepEqual(await nameOf(addressOf('stream.test')), ['stream.test']);
    assert.deepEqual(await nameOf(addressOf('second.stream.test')), ['second.stream.test']);
  });

  test('with one address, with thirty, and with a name of 253 bytes', async () => {
    await client.does('resolve', ['many30.test', 2]);
    assert.deepEqual(await nameOf('10.8.0.29'), ['many30.test']);
    const long = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;
    assert.equal(await client.does('ask', [long, '127.0.0.1']), 'done');
    assert.deepEqual(await nameOf(addressOf(long)), [long]);
  });
});

describe('no name is had', () => {
  test('by an answer that nobody asked for', async () => {
    const before = names.counters()[NameCounter.unaskedAnswer]!;
    // From port 53 of an address that no resolver of this host has, and of one that it has.
    await asks('forge', ['bank.test', WANTED], { source: '127.0.0.3', asked: 'other.test' });
    assert.equal(names.counters()[NameCounter.unaskedAnswer]!, before + 1);
    assert.deepEqual(await nameOf(WANTED), []);
  });

  test('from another port', async () => {
    await asks('forge', ['bank.test', WANTED], { source: '127.0.0.3', port: 5353, asked: 'bank.test' });
    assert.deepEqual(await nameOf(WANTED), []);
  });

  test('from whom this host does not ask', async () => {
    await asks('forge', ['bank.test', WANTED], { source: '127.0.0.3', asked: 'bank.test' });
    assert.deepEqual(await nameOf(WANTED), []);
    await asks('ask', ['elsewhere.test', '127.0.0.2']);
    assert.deepEqual(await nameOf(addressOf('elsewhere.test')), []);
  });

  test('by what stands beside the answer', async () => {
    await asks('ask', ['nothing.test', '127.0.0.1']);
    assert.deepEqual(await nameOf(WANTED), []);
  });

  test('on this host from the resolver of a network namespace of its own', async () => {
    const through = ['unshare', '--net', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh'];
    await using other = await NameClient.start(...through);
    await asks('forge', ['bank.test', WANTED], { asked: 'bank.test' }, other);
    assert.deepEqual(await nameOf(WANTED), []);
  });
});
