/**
 * Rules by name hold for containers with networks of their own, of docker and podman, while the addresses of the names
 * change each second. Long with BOUHEKI_LONG.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { bouheki, query, Running } from './bouheki.ts';
import { folder, IMAGE, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const fetched = run('test/vm/fetch-docker');
const skip = fetched.status === 0 ? false : fetched.stderr.trim();
if (skip === false) process.env.PATH = `${fetched.stdout.trim()}:${process.env.PATH}`;

const long = process.env['BOUHEKI_LONG'] !== undefined;
/** Look-ups of each container, with a connection in the next system call: while it is learnt, and when rules hold. */
const LEARNT = long ? 200 : 20;
const TRIED = long ? 3400 : 100;
/** The same under a policy by address. */
const TRIED_BY_ADDRESS = long ? 500 : 30;
/** Enough to see both addresses of a name that has another one each second. */
const TURNED = 30;
/** Seconds between two of a few: each second there are other addresses. Many take long enough. */
const PAUSE = 0.1;
const FEW = 250;

const place = folder();
const ZONE = join(place, 'zone.json');
/** A pool that is larger than what is seen while it is learnt. */
const POOL = Array.from({ length: 250 }, (_, at) => `93.184.216.${at}`);

function serve(...turning: string[]): void {
  const zone = { 'cdn.test': POOL, 'other.test': ['93.184.217.1'], 'turn.test': turning };
  writeFileSync(ZONE, JSON.stringify(zone));
}

/** Prints how many of its connections were denied. */
const CLIENT = `
import errno, socket, sys, time
def reach(address):
    with socket.socket() as made:
        made.settimeout(10)
        try:
            made.connect((address, 80))
        except OSError as error:
            return error.errno == errno.EPERM
        return False
count, pause, *names = sys.argv[1:]
denied = 0
for _ in range(int(count)):
    for name in names:
        denied += reach(socket.gethostbyname(name))
    time.sleep(float(pause))
print(denied)
`;
const PYTHON = run('python3', '-c', 'import os; print(os.path.dirname(os.__file__))').stdout.trim();
const INSIDE = ['--volume', `${PYTHON}:${PYTHON}:ro`, '--volume', `${place}:/client:ro`];

/** How a container with a network of its own is started, by what it is called. */
const WAYS: Readonly<Record<string, readonly string[]>> = {
  // Asks the resolver of the host, which is elsewhere.
  bridged: ['podman', 'run', '--rm', '--network', 'podman', ...INSIDE],
  plain: ['docker', 'run', '--rm', '--security-opt', 'apparmor=unconfined', ...INSIDE],
  // Asks docker's own resolver, which is in its network.
  joined: ['docker', 'run', '--rm', '--security-opt', 'apparmor=unconfined', '--network', 'own', ...INSIDE],
};
const NAMES = Object.keys(WAYS);

/** Runs a command in a new container of that name. */
async function inNew(name: string, ...command: string[]): Promise<string> {
  const [program, ...options] = WAYS[name]!;
  const image = program === 'docker' ? 'local/tool:1' : IMAGE;
  const child = spawn(program!, [...options, '--name', name, image, ...command], { stdio: 'pipe' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += String(data)));
  await once(child, 'close');
  return output.trim();
}

/** Each container looks names up and connects at once, all of them at a time. How many of it was denied, by container. */
async function visit(count: number, ...names: string[]): Promise<Record<string, string>> {
  const words = [
    'python3',
    '-SE',
    '/client/client.py',
    String(count),
    String(count > FEW ? 0 : PAUSE),
    ...names,
  ];
  const denied = await Promise.all(NAMES.map((name) => inNew(name, ...words)));
  return Object.fromEntries(NAMES.map((name, at) => [name, denied[at]!]));
}

const each = (text: string): Record<string, string> => Object.fromEntries(NAMES.map((name) => [name, text]));

const db = join(place, 'record.duckdb');
const enforced = join(place, 'enforced.duckdb');
const byName = join(place, 'name.yaml');
const byAddress = join(place, 'address.yaml');
let daemon: ChildProcess;
let enforce: Running;

before(async () => {
  if (skip !== false) return;
  startNetwork();
  succeeded(run('ip', 'netns', 'exec', 'servers', 'test/vm/resolver', ZONE));
  writeFileSync('/etc/resolv.conf', 'nameserver 10.0.0.53\n');
  writeFileSync(join(place, 'client.py'), CLIENT);
  serve('93.184.217.2');
  succeeded(run('test/vm/container-image', IMAGE, 'curl', 'python3'));
  daemon = spawn('dockerd', ['--exec-opt=native.cgroupdriver=cgroupfs', '--storage-driver=vfs'], {
    stdio: 'ignore',
  });
  while (run('docker', 'version').status !== 0) await wait(200);
  const archive = join(place, 'image.tar');
  const container = succeeded(run('podman', 'create', IMAGE, 'true')).stdout.trim();
  succeeded(run('podman', 'export', '-o', archive, container));
  succeeded(run('docker', 'import', archive, 'local/tool:1'));
  succeeded(run('docker', 'network', 'create', 'own'));
});

after(() => {
  if (skip !== false) return;
  // What docker has made of the guest's network: the next test file runs in the same guest.
  run('docker', 'network', 'rm', 'own');
  daemon?.kill();
  run('iptables', '--policy', 'FORWARD', 'ACCEPT');
  stopNetwork();
});

test('what they ask is recorded with its names, and becomes rules by name', { skip }, async () => {
  const learn = await Running.start('learn', '--db', db);
  const denied = await visit(LEARNT, 'cdn.test', 'turn.test');
  await Promise.all(NAMES.map((name) => inNew(name, 'curl', '-s', '-o', '/dev/null', 'http://cdn.test/')));
  const { stderr } = succeeded(await learn.end('SIGINT'));
  assert.deepEqual(denied, each('0'), stderr);
  const unnamed = await query(
    db,
    `SELECT DISTINCT container, address, name, name_known FROM connections
    WHERE port = 80 AND name_known IS DISTINCT FROM 'self'`,
  );
  assert.deepEqual(unnamed, []);
  const options = ['--db', db, '--target', 'container', '--mode', 'block'];
  succeeded(bouheki('generate', ...options, '--destinations', 'auto', '--output', byName));
  succeeded(bouheki('generate', ...options, '--destinations', 'address', '--output', byAddress));
  const { stdout } = succeeded(run('cat', byName));
  assert.match(stdout, /name: \[cdn\.test/);
  assert.doesNotMatch(stdout, /93\.184/);
});

test('each connection after a look-up is allowed, whatever address the name has', { skip }, async (t) => {
  enforce = await Running.start('enforce', byName, '--db', enforced);
  const denied = await visit(TRIED, 'cdn.test');
  t.diagnostic(`${TRIED} look-ups in each of ${NAMES.length} containers: denied ${JSON.stringify(denied)}`);
  assert.deepEqual(denied, each('0'), enforce.stderr + enforce.stdout);
});

test('another name is denied, and so is an address that was not looked up there', { skip }, async () => {
  const urls = [`http://${POOL[0]!}/`, 'http://other.test/', 'http://cdn.test/'];
  const fetch = `for url in ${urls.join(' ')}; do curl -s -o /dev/null $url; echo $?; done`;
  const codes = await Promise.all(NAMES.map((name) => inNew(name, 'sh', '-c', fetch)));
  assert.deepEqual(Object.fromEntries(NAMES.map((name, at) => [name, codes[at]])), each('7\n7\n0'));
});

test('a name that turns to private addresses gets nothing', { skip }, async () => {
  serve('169.254.169.254', '10.0.0.5');
  assert.deepEqual(await visit(TURNED, 'turn.test'), each(String(TURNED)));
  const { stdout } = succeeded(await enforce.end('SIGINT'));
  assert.match(stdout, /"Addr":"169\.254\.169\.254"/);
  assert.match(stdout, /"Addr":"10\.0\.0\.5"/);
});

test('by address most of the same is denied', { skip }, async (t) => {
  const [count, all] = await notAllowedByAddress();
  t.diagnostic(
    `of ${all} connections to cdn.test that were allowed by name ${count} are not allowed by address`,
  );
  assert(count > all / 2);
  enforce = await Running.start('enforce', byAddress, '--db', join(place, 'address.duckdb'));
  const denied = await visit(TRIED_BY_ADDRESS, 'cdn.test');
  succeeded(await enforce.end('SIGINT'));
  t.diagnostic(`enforced by address, of ${TRIED_BY_ADDRESS} in each: denied ${JSON.stringify(denied)}`);
  for (const each of Object.values(denied)) assert(Number(each) > TRIED_BY_ADDRESS / 2, each);
});

/** Of what was recorded while the policy by name was in force. */
async function notAllowedByAddress(): Promise<[denied: number, all: number]> {
  const { stdout } = bouheki('drift', byAddress, '--db', enforced, '--json');
  const { new: found } = JSON.parse(stdout) as { new: { names?: string[]; count: number }[] };
  const denied = found.filter(({ names }) => names?.includes('cdn.test'));
  const count = `SELECT sum(count)::INTEGER AS all FROM connections WHERE name = 'cdn.test' AND verdict = 'allow'`;
  const [row] = await query<{ all: number }>(enforced, count);
  return [denied.reduce((sum, { count: events }) => sum + events, 0), row!.all];
}
