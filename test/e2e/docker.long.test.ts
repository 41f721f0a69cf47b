/** Containers of a real docker are known as docker knows them, through its files and through its API. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { query, Running } from './bouheki.ts';
import { folder, makeImage, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const fetched = run('test/vm/fetch-docker');
const skip = fetched.status === 0 ? false : fetched.stderr.trim();
if (skip === false) process.env.PATH = `${fetched.stdout.trim()}:${process.env.PATH}`;

/** Where bouheki looks for its API, and where its files are not looked for. */
const SOCKET = '/run/docker.sock';
const DATA = '/tmp/docker-data';

/** Without a bridge and its firewall rules: the containers share the host's network. */
const DAEMON = [
  '--exec-opt=native.cgroupdriver=cgroupfs',
  `--data-root=${DATA}`,
  `--host=unix://${SOCKET}`,
  '--host=unix:///run/docker-test.sock',
  '--bridge=none',
  '--iptables=false',
  '--ip6tables=false',
  '--ip-forward=false',
  '--storage-driver=vfs',
];

interface Inspected {
  Id: string;
  Name: string;
  Image: string;
  Config: { Image: string };
}

/** Runs wget in a new container, and returns what docker knew of it. */
function fetchIn(name: string, address: string): Inspected {
  const options = ['--network', 'host', '--security-opt', 'apparmor=unconfined', '--label', 'tier=front'];
  succeeded(
    run(
      'docker',
      'run',
      ...options,
      '--name',
      name,
      'local/tool:1',
      'wget',
      '-q',
      '-O',
      '-',
      `http://${address}/`,
    ),
  );
  const [inspected] = JSON.parse(succeeded(run('docker', 'inspect', name)).stdout) as [Inspected];
  return inspected;
}

suite('containers of docker', { skip }, () => {
  const place = folder();
  const db = join(place, 'record.duckdb');
  let daemon: ChildProcess;

  before(async () => {
    startNetwork();
    makeImage();
    process.env.DOCKER_HOST = 'unix:///run/docker-test.sock';
    daemon = spawn('dockerd', DAEMON, { stdio: 'ignore' });
    while (run('docker', 'version').status !== 0) await wait(200);
    const archive = join(place, 'image.tar');
    const container = succeeded(run('podman', 'create', 'e2e', 'true')).stdout.trim();
    succeeded(run('podman', 'export', '-o', archive, container));
    succeeded(run('docker', 'import', archive, 'local/tool:1'));
  });

  after(() => {
    daemon.kill();
    stopNetwork();
  });

  for (const [how, address, prepare] of [
    ['its API', '10.0.2.1', () => {}],
    [
      'its files',
      '10.0.2.2',
      () => {
        rmSync(SOCKET);
        symlinkSync(DATA, '/var/lib/docker');
      },
    ],
  ] as const) {
    test(`name, id, image and labels are those that docker inspect tells, through ${how} alone`, async () => {
      prepare();
      const learn = await Running.start('learn', '--db', db);
      const name = `by-${address}`;
      const inspected = fetchIn(name, address);
      // docker says nothing of a container that it is starting.
      await learn.recorded(db, `SELECT container FROM connections WHERE container = '${name}'`);
      const { stderr } = succeeded(await learn.end('SIGINT'));
      assert.doesNotMatch(stderr, /without a name|could not be asked/);
      const rows = await query(
        db,
        `SELECT DISTINCT c.runtime, c.container_id, v.in_container, v.container, v.image, c.image_id, v.labels
        FROM connections v LEFT JOIN container_now c ON c.name = v.container WHERE address = '${address}'`,
      );
      assert.deepEqual(rows, [
        {
          runtime: 'docker',
          container_id: inspected.Id,
          in_container: true,
          container: name,
          image: inspected.Config.Image,
          image_id: inspected.Image.replace('sha256:', ''),
          labels: '{"tier":"front"}',
        },
      ]);
    });
  }
});
