/** What learn saw works under the policy that it gave: probes, servers, programs of other roots, scripts by odd paths. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { curl, curlRefused, pythonTo } from '../e2e/attempt.ts';
import { bouheki, Running } from '../e2e/bouheki.ts';
import { answers, firstAddress, nameTwoAddresses, startServer } from '../e2e/datagram.ts';
import { folder, run, startNetwork, stopNetwork, succeeded } from '../e2e/guest.ts';
import { BUSYBOX, fetchFrom, makeRoot, runService } from './unit.ts';

const CURL = '/usr/bin/curl';
const place = folder();
const db = join(place, 'learn.duckdb');
const enforced = join(place, 'enforce.duckdb');
const policy = join(place, 'policy.yaml');
/** Not in /tmp, so that a service with a root of its own finds them. */
const root = '/srv/root';
const own = '/srv/own';
const script = '/srv/app/lib/cli.py';
/** No rule can name it: there `*` stands for other names. */
const starred = '/srv/app/run[1]*.py';
const PYTHON = realpathSync('/usr/bin/python3');

/** Shell commands that fetch as a wget of busybox, whatever the program's name is, and print where they came. */
const asWget = (program: string, address: string): string =>
  `bash -c 'exec -a wget ${program} -q -O /dev/null http://${address}/' && echo ${address}`;

function service(name: string, commands: string, settings: readonly string[] = []): string {
  return runService(name, `${commands}\ntrue\n`, { settings }).trim();
}

/** Each program of the script, and what came of it. */
const PROGRAMS = {
  'a look-up that probes an address without a way to it': firstAddress,
  'clients of a server of this host': () =>
    [answers('127.0.0.1', 5300, 3), answers('::1', 5301, 3), answers('10.0.0.2', 5301, 3)].join(' '),
  'a program of the host': () => run(...curl('http://10.0.3.1/')).stdout.trim(),
  'a program in a chroot jail': () => {
    const { stdout } = run('chroot', root, '/bin/wget', '-q', '-O', '-', 'http://10.0.3.2/');
    return stdout.trim();
  },
  'a service with RootDirectory=': () =>
    service('jailed', fetchFrom(['10.0.4.1'], '/bin/busybox'), [
      `RootDirectory=${root}`,
      'BindPaths=/run/test',
    ]),
  'a service with BindReadOnlyPaths= over a program': () =>
    service('bound', asWget(CURL, '10.0.4.2'), [`BindReadOnlyPaths=${BUSYBOX}:${CURL}`]),
  'a service that makes a mount namespace': () =>
    service('unshared', `unshare --mount ${asWget(own, '10.0.4.3')}`),
  'a service whose user makes a namespace of users': () =>
    service('users', `unshare --user --map-root-user --mount ${asWget(own, '10.0.4.4')}`, ['User=nobody']),
  'a script by a path with dots': () => run('python3', '/srv/app/bin/..//lib/cli.py').stdout.trim(),
  'a script with * in its path': () => run('python3', starred).stdout.trim(),
} as const;

const WORKED = {
  'a look-up that probes an address without a way to it': 'HTTP/1.0 200 OK',
  'clients of a server of this host': '3 3 3',
  'a program of the host': 'hello from 10.0.3.1 port 80',
  'a program in a chroot jail': 'hello from 10.0.3.2 port 80',
  'a service with RootDirectory=': '10.0.4.1',
  'a service with BindReadOnlyPaths= over a program': '10.0.4.2',
  'a service that makes a mount namespace': '10.0.4.3',
  'a service whose user makes a namespace of users': '10.0.4.4',
  'a script by a path with dots': 'reached',
  'a script with * in its path': 'reached',
};

/** Connects to an address, and prints whether it could. */
const scriptTo = (address: string): string => `import socket
try:
    socket.create_connection(('${address}', 80), 20).close()
    print('reached')
except OSError as error:
    print(type(error).__name__)
`;

const runAll = (): Record<string, string> =>
  Object.fromEntries(Object.entries(PROGRAMS).map(([name, program]) => [name, program()]));

let server: ChildProcess;

before(async () => {
  startNetwork();
  nameTwoAddresses('10.0.1.5');
  server = await startServer();
  makeRoot(root);
  copyFileSync(BUSYBOX, own);
  chmodSync(own, 0o755);
  mkdirSync('/srv/app/bin', { recursive: true });
  mkdirSync('/srv/app/lib');
  writeFileSync(script, scriptTo('10.0.3.3'));
  writeFileSync(starred, scriptTo('10.0.3.4'));
});
after(() => {
  server.kill();
  stopNetwork();
});

test('under learn each of them works, and generate writes a policy that names what it can not allow', async () => {
  const learn = await Running.start('learn', '--db', db);
  assert.deepEqual(runAll(), WORKED);
  const { status, stderr } = await learn.end('SIGINT');
  assert.equal(status, 0, stderr);
  const generated = succeeded(bouheki('generate', '--mode', 'block', '--db', db));
  const omitted = generated.stderr.split('\n').filter((line) => line.startsWith('Not allowed'));
  assert.equal(omitted.length, 1, generated.stderr);
  assert.ok(omitted[0]!.includes(` ${starred} uid 0 `), omitted[0]);
  assert.match(omitted[0]!, /\(no rule can name it: the path of its script holds \*\), 1 event /);
  writeFileSync(policy, generated.stdout, { mode: 0o600 });
});

test('under that policy each of them works, and drift lists exactly what the log lists', async () => {
  const enforce = await Running.start('enforce', policy, '--db', enforced);
  const left = { 'a script with * in its path': 'PermissionError' };
  assert.deepEqual(runAll(), { ...WORKED, ...left });
  for (const address of ['10.0.4.2', '10.0.4.3'])
    assert.ok(curlRefused(run(...curl(`http://${address}/`))), `the host's program is not let to ${address}`);
  // What the look-up may probe, nothing may be sent to.
  assert.equal(pythonTo('udp', '10.0.1.5', 80), 'EPERM');
  const { status, stderr } = await enforce.end('SIGINT');
  assert.equal(status, 0, stderr);
  const logged = enforce.log.map(({ Exe, Addr, Port, Protocol }) => [Exe, Addr, Port, Protocol].join(' '));
  assert.deepEqual(logged, [
    `${PYTHON} 10.0.3.4 80 tcp`,
    `${CURL} 10.0.4.2 80 tcp`,
    `${CURL} 10.0.4.3 80 tcp`,
    `${PYTHON} 10.0.1.5 80 udp`,
  ]);
  type Entry = { exe: string; address: string; port: number; protocol: string; count: number };
  const { stdout } = bouheki('drift', policy, '--json', '--db', enforced);
  const drift = JSON.parse(stdout) as Record<'new' | 'denied' | 'disagreed', Entry[]>;
  assert.deepEqual([drift.new, drift.disagreed], [[], []]);
  const listed = drift.denied.flatMap(({ exe, address, port, protocol, count }) =>
    Array.from({ length: count }, () => [exe, address, port, protocol].join(' ')),
  );
  assert.deepEqual(listed.sort(), logged.toSorted());
});
