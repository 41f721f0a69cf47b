/** Containers of podman are known as podman knows them, and go on being known whatever their processes do. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { bouheki, query, Running } from './bouheki.ts';
import {
  cgroup,
  folder,
  IMAGE,
  inCgroup,
  inContainer,
  makeImage,
  run,
  startNetwork,
  stopNetwork,
  succeeded,
} from './guest.ts';
import { fetchFrom, ROOM } from './podman.ts';

before(() => {
  startNetwork();
  makeImage();
});

after(stopNetwork);

const place = folder();
const db = join(place, 'record.duckdb');

interface Inspected {
  Id: string;
  Name: string;
  Image: string;
  ImageName: string;
  ImageDigest: string;
}

suite('learn', () => {
  let inspected: Inspected;
  let service: ChildProcess | undefined;
  /** By address: who connected there. */
  let rows: Map<string, { in_container: boolean; container: string | null; unit: string | null }>;

  before(async () => {
    // The API of podman, which knows more than its files.
    mkdirSync('/run/podman', { recursive: true });
    service = spawn('podman', ['system', 'service', '--time=0', 'unix:///run/podman/podman.sock']);
    while (!existsSync('/run/podman/podman.sock')) await wait(100);
    const learn = await Running.start('learn', '--db', db);
    succeeded(
      run('podman', 'run', '-d', ...ROOM, '--name', 'long', '--label', 'tier=front', IMAGE, 'sleep', '600'),
    );
    [inspected] = JSON.parse(succeeded(run('podman', 'inspect', 'long')).stdout) as [Inspected];
    succeeded(run('podman', 'exec', 'long', 'sh', '-c', fetchFrom('10.0.2.1')));
    succeeded(inContainer('short', 'wget', '-q', '-O', '/dev/null', 'http://10.0.2.2/'));
    // Root of the container makes cgroups and mount namespaces of its own.
    const nest = 'at=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/nested/deeper';
    const move = `${nest} && mkdir -p $at && echo $$ >$at/cgroup.procs && ${fetchFrom('10.0.2.3')}`;
    const privileged = ['--privileged', '--cgroupns', 'host', '-v', '/sys/fs/cgroup:/sys/fs/cgroup:rw'];
    succeeded(run('podman', 'run', ...ROOM, ...privileged, '--name', 'nesting', IMAGE, 'sh', '-c', move));
    const unshared = `unshare -m sh -c '${fetchFrom('10.0.2.4')}'`;
    succeeded(
      run(
        'podman',
        'run',
        ...ROOM,
        '--privileged',
        '--pid',
        'host',
        '--name',
        'bare',
        IMAGE,
        'sh',
        '-c',
        unshared,
      ),
    );
    // A service with PrivateTmp=, a shell that unshared its mounts.
    succeeded(
      inCgroup(
        cgroup('/system.slice/private.service'),
        'unshare',
        '--mount',
        'wget',
        '-q',
        '-O',
        '/dev/null',
        'http://10.0.2.5/',
      ),
    );
    for (const _ of [1, 2])
      succeeded(inContainer('again', 'wget', '-q', '-O', '/dev/null', 'http://10.0.2.6/'));
    succeeded(run('podman', 'rm', '-f', '-t', '0', 'long'));
    const { stderr } = succeeded(await learn.end('SIGINT'));
    assert.doesNotMatch(stderr, /without a name|could not be asked/);
    const found = await query<{
      address: string;
      in_container: boolean;
      container: string | null;
      unit: string | null;
    }>(
      db,
      `SELECT DISTINCT address, in_container, container, unit FROM connections WHERE address LIKE '10.0.2.%'`,
    );
    assert.equal(new Set(found.map(({ address }) => address)).size, found.length, JSON.stringify(found));
    rows = new Map(found.map(({ address, ...who }) => [address, who]));
  });

  after(() => service?.kill());

  test('name, id and image are those that podman inspect tells', async () => {
    const [container] = await query(
      db,
      `SELECT runtime, container_id AS id, name, image, image_id, digest, labels FROM container_now WHERE name = 'long'`,
    );
    assert.deepEqual(container, {
      runtime: 'podman',
      id: inspected.Id,
      name: inspected.Name,
      image: inspected.ImageName,
      image_id: inspected.Image,
      digest: inspected.ImageDigest,
      labels: '{"tier":"front"}',
    });
  });

  for (const [what, address, container] of [
    ['podman exec runs in the container', '10.0.2.1', 'long'],
    ['a container that connects once and is gone has its name', '10.0.2.2', 'short'],
    ['a cgroup of its own leads no process out of its container', '10.0.2.3', 'nesting'],
    ["neither the host's pid namespace nor further mounts do", '10.0.2.4', 'bare'],
  ] as const) {
    test(what, () => {
      assert.deepEqual(rows.get(address), { in_container: true, container, unit: null });
    });
  }

  test('a service with mounts of its own is the host', () => {
    assert.deepEqual(rows.get('10.0.2.5'), { in_container: false, container: null, unit: 'private.service' });
  });

  test('a container that is made anew is the same subject', async () => {
    const ids = await query(db, `SELECT DISTINCT container_id FROM container_now WHERE name = 'again'`);
    assert.equal(ids.length, 2);
    const { stdout } = succeeded(bouheki('generate', '--db', db, '--target', 'container'));
    assert.equal(stdout.match(/container: \[again\]/g)?.length, 1, stdout);
    assert.equal(stdout.match(/cidr: \[10\.0\.2\.6\]/g)?.length, 1);
  });
});

test('rules by container, image, unit and cgroup hold for whom they name', async () => {
  const file = join(place, 'policy.yaml');
  const rules: [from: string, address: string][] = [
    ['container: [web]', '10.0.3.1'],
    ['container: ["w*"]', '10.0.3.2'],
    ['image: [localhost/e2e:latest]', '10.0.3.3'],
    ['image: ["localhost/e2e:*"]', '10.0.3.4'],
    ['image: ["docker.io/*"]', '10.0.3.5'],
    ['container: [other]', '10.0.3.6'],
    ['unit: [web.service]', '10.0.3.7'],
    ['unit: ["web.*"]', '10.0.3.8'],
    ['cgroup: ["/system.slice/*"]', '10.0.3.9'],
    ['unit: [other.service]', '10.0.3.10'],
  ];
  const lines = rules.map(
    ([from, to], at) => `    - { name: r${at}, from: { ${from} }, to: [{ cidr: [${to}/32] }] }`,
  );
  const policy = ['version: 2', 'network:', '  mode: block', '  allow:', ...lines, ''].join('\n');
  writeFileSync(file, policy, { mode: 0o600 });
  cgroup('/system.slice/web.service');
  const enforce = await Running.start('enforce', file, '--db', join(place, 'enforce.duckdb'));
  const all = fetchFrom(...rules.map(([, address]) => address));
  // A rule by name holds as soon as podman has given the name, a moment after the start.
  const { stdout: inside } = inContainer('web', 'sh', '-c', `sleep 2; ${all}`);
  const { stdout: service } = inCgroup(cgroup('/system.slice/web.service'), 'sh', '-c', all);
  succeeded(await enforce.end('SIGINT'));
  assert.deepEqual(inside.trim().split('\n'), ['10.0.3.1', '10.0.3.2', '10.0.3.3', '10.0.3.4']);
  assert.deepEqual(service.trim().split('\n'), ['10.0.3.7', '10.0.3.8', '10.0.3.9']);
});
