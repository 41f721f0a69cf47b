/** What is no container of podman is not taken for one, and what is one stays one, whatever it does. */
import assert from 'node:assert/strict';
import { chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { query, Running } from './bouheki.ts';
import {
  asUser,
  cgroup,
  folder,
  IMAGE,
  inCgroup,
  makeImage,
  run,
  startNetwork,
  stopNetwork,
  succeeded,
  USER,
} from './guest.ts';
import { fetchFrom, ROOM } from './podman.ts';

before(() => {
  startNetwork();
  makeImage();
});

after(stopNetwork);

const place = folder();

test('a service that calls a cgroup of its own like a container is not that container', async () => {
  const id = succeeded(
    run('podman', 'run', '-d', ...ROOM, '--name', 'real', IMAGE, 'sleep', '600'),
  ).stdout.trim();
  const learn = await Running.start('learn', '--db', join(place, 'forged.duckdb'));
  // What systemd does for Delegate= with User=.
  const service = cgroup('/system.slice/delegated.service');
  chownSync(service, USER, USER);
  const forged = `${service}/libpod-${id}`;
  succeeded(asUser(USER, 'mkdir', forged));
  succeeded(inCgroup(forged, 'wget', '-q', '-O', '/dev/null', 'http://10.0.4.1/'));
  succeeded(run('podman', 'exec', 'real', 'wget', '-q', '-O', '/dev/null', 'http://10.0.4.2/'));
  const { stderr } = succeeded(await learn.end('SIGINT'));
  assert.match(stderr, /^1 container without a name\.$/m);
  const rows = await query(
    join(place, 'forged.duckdb'),
    'SELECT address, in_container, container, image FROM connections ORDER BY address',
  );
  assert.deepEqual(rows, [
    { address: '10.0.4.1', in_container: true, container: id.slice(0, 12), image: null },
    { address: '10.0.4.2', in_container: true, container: 'real', image: `localhost/${IMAGE}:latest` },
  ]);
  succeeded(run('podman', 'rm', '-f', '-t', '0', 'real'));
});

test('neither the network, the pids nor the cgroups of the host lead a container out of target container', async () => {
  const file = join(place, 'target.yaml');
  const lines = ['network:', '  mode: block', '  target: container', '  cidr: { allow: [10.0.5.1/32] }', ''];
  writeFileSync(file, lines.join('\n'), { mode: 0o600 });
  const enforce = await Running.start('enforce', file, '--db', join(place, 'target.duckdb'));
  const host = [
    '--privileged',
    '--pid',
    'host',
    '--cgroupns',
    'host',
    '-v',
    '/sys/fs/cgroup:/sys/fs/cgroup:rw',
  ];
  const own = ['--privileged', '--cgroupns', 'host', '-v', '/sys/fs/cgroup:/sys/fs/cgroup:rw'];
  const ways: [name: string, options: string[], command: string][] = [
    ['plain', [], fetchFrom('10.0.5.1', '10.0.5.2')],
    // All namespaces of the first process; the cgroup stays.
    ['entered', host, `nsenter -t 1 -m -u -i -n -p sh -c '${fetchFrom('10.0.5.1', '10.0.5.3')}'`],
    // Out of its cgroup, but not out of its namespaces.
    ['moved', own, `echo $$ >/sys/fs/cgroup/cgroup.procs && ${fetchFrom('10.0.5.1', '10.0.5.4')}`],
  ];
  const reached = ways.map(([name, options, command]) => [
    name,
    run('podman', 'run', ...ROOM, ...options, '--name', name, IMAGE, 'sh', '-c', command).stdout.trim(),
  ]);
  const { stdout: byHost } = run('sh', '-c', fetchFrom('10.0.5.1', '10.0.5.5'));
  succeeded(await enforce.end('SIGINT'));
  assert.deepEqual(
    reached,
    ways.map(([name]) => [name, '10.0.5.1']),
  );
  assert.deepEqual(byHost.trim().split('\n'), ['10.0.5.1', '10.0.5.5'], 'the host is not what it is about');
});
