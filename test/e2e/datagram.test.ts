/** What learn saw of UDP works under its own policy: name look-ups that probe addresses, and servers that answer. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pythonTo } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { folder, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const place = folder();
const db = join(place, 'record.duckdb');
const policy = join(place, 'policy.yaml');

/** Of the addresses that the look-up puts in order, tries the first alone, as many simple clients do. */
const FIRST = `
import socket, sys
family, kind, protocol, _, address = socket.getaddrinfo(sys.argv[1], int(sys.argv[2]), 0, socket.SOCK_STREAM)[0]
s = socket.socket(family, kind, protocol)
s.settimeout(20)
s.connect(address)
s.send(b'GET / HTTP/1.0\\r\\n\\r\\n')
print(s.recv(100)[:15].decode())`;

/** Answers in each way that servers have. */
const SERVER = `
import select, socket, struct
single = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
single.bind(('127.0.0.1', 5300))
wide = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
wide.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
wide.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
wide.bind(('::', 5301))
print('ready', flush=True)
while True:
    for ready in select.select([single, wide], [], [])[0]:
        data, control, _, client = ready.recvmsg(2000, 200)
        ready.sendmsg([data], control, 0, client)`;

const CLIENT = `
import socket, sys
answers = 0
for _ in range(int(sys.argv[3])):
    s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.sendto(b'q', (sys.argv[1], int(sys.argv[2])))
    try:
        s.recvfrom(100)
        answers += 1
    except OSError:
        pass
print(answers)`;

let server: ChildProcess;

function row(address: string, port: number, count: number): object {
  const how =
    port === 80 ? { protocol: 'tcp', operation: 'connect' } : { protocol: 'udp', operation: 'send' };
  return { address, port, ...how, count };
}

function answers(address: string, port: number, count: number): number {
  return Number(succeeded(run('python3', '-c', CLIENT, address, String(port), String(count))).stdout);
}

function firstAddress(): string {
  const { stdout, stderr } = run('python3', '-c', FIRST, 'two.example', '80');
  return stdout.trim() || stderr;
}

before(async () => {
  startNetwork();
  succeeded(run('ip', '-6', 'route', 'add', 'unreachable', '2001:db8:5::/48'));
  appendFileSync('/etc/hosts', '2001:db8:5::5 two.example\n10.0.1.5 two.example\n');
  server = spawn('python3', ['-c', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(server.stdout!, 'data');
});
after(() => {
  server.kill();
  stopNetwork();
});

test('learn records what clients ask for, and of the server nothing', async () => {
  const learn = await Running.start('learn', '--db', db);
  assert.equal(firstAddress(), 'HTTP/1.0 200 OK');
  assert.equal(answers('127.0.0.1', 5300, 300), 300);
  assert.equal(answers('::1', 5301, 3), 3);
  assert.equal(answers('10.0.0.2', 5301, 3), 3);
  const { status, stderr } = await learn.end('SIGINT');
  assert.equal(status, 0, stderr);
  const rows = query(
    db,
    `SELECT address, port, protocol, operation, count(*)::INTEGER AS count FROM connections
     WHERE operation <> 'intent' GROUP BY ALL ORDER BY ALL`,
  );
  assert.deepEqual(rows, [
    row('10.0.0.2', 5301, 3),
    row('10.0.1.5', 80, 1),
    row('127.0.0.1', 5300, 300),
    row('::1', 5301, 3),
  ]);
  const { stdout } = succeeded(bouheki('generate', '--mode', 'block', '--db', db));
  writeFileSync(policy, stdout, { mode: 0o600 });
});

test('under that policy all of it works, and neither log nor drift has anything of it', async () => {
  const enforced = join(place, 'enforced.duckdb');
  const enforce = await Running.start('enforce', policy, '--db', enforced);
  assert.equal(firstAddress(), 'HTTP/1.0 200 OK');
  assert.equal(answers('127.0.0.1', 5300, 3), 3);
  assert.equal(answers('::1', 5301, 3), 3);
  assert.equal(answers('10.0.0.2', 5301, 3), 3);
  assert.deepEqual(enforce.log, []);
  assert.equal(
    pythonTo('udp', '10.0.1.5', 80),
    'EPERM',
    'the probe of this address and port is all that is allowed',
  );
  const { status, stderr } = await enforce.end('SIGINT');
  assert.equal(status, 0, stderr);
  assert.deepEqual(
    enforce.log.map(({ Addr, Port, Protocol }) => [Addr, Port, Protocol]),
    [['10.0.1.5', 80, 'udp']],
  );
  const drift = bouheki('drift', policy, '--json', '--db', enforced);
  const { new: unseen, denied } = JSON.parse(drift.stdout) as {
    new: unknown[];
    denied: { address: string }[];
  };
  assert.deepEqual([unseen.length, denied.map(({ address }) => address)], [0, ['10.0.1.5']]);
});
