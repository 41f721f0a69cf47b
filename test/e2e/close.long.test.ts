/** Open connections that a policy denies are listed, and closed where that is asked for, in every network namespace. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bouheki } from './bouheki.ts';
import { folder, startNetwork, stopNetwork, succeeded } from './guest.ts';

const place = folder();

/** Opens the connections of its arguments, and says of each whether it is still open, once for every line it reads. */
const CLIENT = `
import socket, sys
opened = []
for protocol, address, port in (each.split('|') for each in sys.argv[1:]):
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    each = socket.socket(family, socket.SOCK_STREAM if protocol == 'tcp' else socket.SOCK_DGRAM)
    each.connect((address, int(port)))
    opened.append(each)
def state(each):
    try:
        each.getpeername()
        each.setblocking(False)
        each.recv(1)
        return 'ended'
    except BlockingIOError:
        return 'open'
    except OSError as error:
        return type(error).__name__
print('ready', flush=True)
for line in sys.stdin:
    print(' '.join(map(state, opened)), flush=True)
`;

const HOST = [
  'tcp|10.0.1.7|80',
  'tcp|10.0.1.8|80',
  'tcp|2001:db8::7|80',
  'tcp|::ffff:10.0.1.9|80',
  'udp|10.0.1.7|514',
];
const ELSEWHERE = ['udp|127.9.9.9|9'];

function policyOf(name: string, mode: string): string {
  const file = join(place, name);
  const text = `version: 2\nnetwork:\n  mode: ${mode}\n  allow:\n    - { to: [{ cidr: [10.0.1.8/32] }] }\n`;
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

const policy = policyOf('policy.yaml', 'block');

let clients: ChildProcess[];

async function start(command: string[], connections: string[]): Promise<ChildProcess> {
  const child = spawn(command[0]!, [...command.slice(1), ...connections], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  return child;
}

async function states(): Promise<string[]> {
  const all: string[] = [];
  for (const { stdin, stdout } of clients) {
    stdin!.write('\n');
    const [text] = (await once(stdout!, 'data')) as [Buffer];
    all.push(...text.toString('utf8').trim().split(' '));
  }
  return all;
}

before(async () => {
  startNetwork();
  const python = ['python3', '-I', '-S', '-c', CLIENT];
  const inOther = ['unshare', '-n', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh', ...python];
  clients = [await start(python, HOST), await start(inOther, ELSEWHERE)];
});
after(() => {
  for (const client of clients) client.kill();
  stopNetwork();
});

test('what a policy denies is listed, and nothing is closed', async () => {
  const { status, stdout, stderr } = bouheki('close', policy);
  assert.equal(status, 1, stderr);
  assert.match(stdout, /^PROGRAM +PID +UID +DESTINATION +COUNT$/m);
  for (const destination of [
    'tcp 10.0.1.7:80',
    'tcp [2001:db8::7]:80',
    'tcp 10.0.1.9:80',
    'udp 10.0.1.7:514',
    'udp 127.9.9.9:9',
  ])
    assert.ok(stdout.includes(` ${destination} `), `${destination}\n${stdout}`);
  assert.ok(!stdout.includes('10.0.1.8'), stdout);
  assert.match(stdout, /^5 open connections are denied by .*policy\.yaml\. --yes closes them\.$/m);
  assert.deepEqual(await states(), ['open', 'open', 'open', 'open', 'open', 'open']);
});

test('a policy that monitors denies nothing', async () => {
  const { status, stderr, stdout } = bouheki('close', policyOf('monitor.yaml', 'monitor'), '--yes');
  assert.deepEqual([status, stdout], [2, '']);
  assert.match(stderr, /monitor\.yaml only monitors, so it denies no connection/);
  assert.deepEqual(await states(), ['open', 'open', 'open', 'open', 'open', 'open']);
});

test('with --yes those are closed and no others', async () => {
  const { stdout } = succeeded(bouheki('close', policy, '--yes'));
  assert.match(stdout, /^5 open connections are denied by .*policy\.yaml; closed: 5\.$/m);
  assert.deepEqual(await states(), ['OSError', 'open', 'OSError', 'OSError', 'OSError', 'OSError']);
});

test('then none is left', () => {
  assert.match(
    succeeded(bouheki('close', policy)).stdout,
    /^No open connection is denied by .*policy\.yaml\.$/m,
  );
  const { stdout } = succeeded(bouheki('close', policy, '--yes', '--json'));
  assert.deepEqual(JSON.parse(stdout), { schema: 'bouheki.close/v1', open: 0, closed: 0, connections: [] });
});
