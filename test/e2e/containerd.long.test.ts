/** Containers of a real containerd are known as Kubernetes' interface and containerd's own describe them. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { bouheki, query, Running } from './bouheki.ts';
import { type EndedPod, Kubelet } from './containerd/kubelet.ts';
import { folder, IMAGE, makeImage, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const fetched = run('test/vm/fetch-docker');
const skip = fetched.status === 0 ? false : fetched.stderr.trim();
if (skip === false) process.env.PATH = `${fetched.stdout.trim()}:${process.env.PATH}`;

const NAME = `localhost/${IMAGE}`;
const PAUSE = 'localhost/pause:latest';
const SOCKET = '/run/containerd/containerd.sock';
/** That of k3s, whose interface to Kubernetes is switched off here. */
const K3S = '/run/k3s/containerd/containerd.sock';
const RUN = ['--net-host', '--snapshotter', 'native', '--label', 'tier=front', `${NAME}:latest`];

const fetchOf = (address: string) => ['/bin/busybox', 'wget', '-q', '-O', '-', `http://${address}/`];

/** What is recorded of the containers that connected to an address. */
async function recorded(db: string, address: string): Promise<Record<string, unknown>[]> {
  const rows = await query<Record<string, unknown>>(
    db,
    `SELECT DISTINCT c.runtime, c.container_id, v.in_container, v.container, v.image, v.image_digest, v.labels, v.pod,
      v.namespace
    FROM connections v LEFT JOIN container_now c
      ON c.recording = v.recording AND c.name = v.container AND c.pod IS NOT DISTINCT FROM v.pod
    WHERE address = '${address}'`,
  );
  for (const row of rows) row.labels &&= JSON.parse(row.labels as string) as unknown;
  return rows;
}

/** Milliseconds. */
const PATIENCE = 120_000;

/** Waits until the runtime has answered what its files do not say. */
async function answered(db: string, address: string): Promise<void> {
  for (const deadline = performance.now() + PATIENCE; ;) {
    const [row] = await recorded(db, address);
    if (row && row.labels !== null) return;
    if (performance.now() > deadline) throw new Error(`no answer: ${JSON.stringify(row)}`);
    await wait(200);
  }
}

suite('containers of containerd', { skip }, () => {
  const place = folder();
  const db = join(place, 'record.duckdb');
  const archive = join(place, 'images.tar');
  const daemons: ChildProcess[] = [];
  let kubelet: Kubelet;
  let digest: string;
  let pods = 0;

  /** Starts a containerd, and waits until it answers. */
  async function start(socket: string, config: string): Promise<void> {
    const state = folder();
    writeFileSync(join(state, 'config.toml'), `version = 2\n${config}`);
    const options = ['--config', join(state, 'config.toml'), '--root', join(state, 'root')];
    options.push('--state', dirname(socket), '--address', socket);
    daemons.push(spawn('containerd', options, { stdio: 'ignore' }));
    while (run('ctr', '--address', socket, 'version').status !== 0) await wait(200);
  }

  function importImages(socket: string, space: string): void {
    const images = ['--address', socket, '--namespace', space, 'images'];
    succeeded(run('ctr', ...images, 'import', '--snapshotter', 'native', archive));
    const list = succeeded(run('ctr', ...images, 'list', `name==${NAME}:latest`)).stdout;
    digest = /sha256:[0-9a-f]{64}/.exec(list)![0];
    // As an image is named that was pulled.
    succeeded(run('ctr', ...images, 'tag', `${NAME}:latest`, `${NAME}@${digest}`));
  }

  /** Fetches from an address in a container `app` of a new pod. */
  async function fetchInPod(address: string, labelled: boolean): Promise<EndedPod> {
    const pod = `shop-${(pods += 1)}`;
    const kubernetes = {
      'io.kubernetes.container.name': 'app',
      'io.kubernetes.pod.name': pod,
      'io.kubernetes.pod.namespace': 'market',
    };
    return kubelet.run({
      uid: `7e2d-${pods}`,
      pod,
      namespace: 'market',
      name: 'app',
      image: `${NAME}:latest`,
      command: fetchOf(address),
      labels: { tier: 'front', ...(labelled && kubernetes) },
    });
  }

  /** What is to be recorded: what CRI says of a container and its pod. */
  function toldOf({ container, pod, namespace }: EndedPod): Record<string, unknown> {
    assert.equal(container.imageRef, `${NAME}@${digest}`);
    return {
      runtime: 'containerd',
      container_id: container.id,
      in_container: true,
      container: `${namespace}/${container.metadata.name}`,
      image: container.image.image,
      image_digest: digest,
      labels: container.labels,
      pod,
      namespace,
    };
  }

  before(async () => {
    startNetwork();
    makeImage();
    const container = succeeded(run('podman', 'create', IMAGE, 'true')).stdout.trim();
    const sleep = 'CMD ["/bin/busybox", "sleep", "100000"]';
    succeeded(run('podman', 'commit', '--quiet', '--change', sleep, container, PAUSE));
    succeeded(run('podman', 'save', '--multi-image-archive', '-o', archive, `${NAME}:latest`, PAUSE));
    const cri = 'plugins."io.containerd.grpc.v1.cri"';
    await start(
      SOCKET,
      `[${cri}]\nsandbox_image = "${PAUSE}"\n[${cri}.containerd]\nsnapshotter = "native"\n`,
    );
    importImages(SOCKET, 'k8s.io');
    kubelet = new Kubelet(SOCKET);
  });

  after(() => {
    kubelet?.close();
    for (const daemon of daemons) daemon.kill();
    stopNetwork();
  });

  test('a container of a pod is what CRI tells, also without the labels of a kubelet', async () => {
    const learn = await Running.start('learn', '--db', db);
    const labelled = await fetchInPod('10.0.3.1', true);
    const bare = await fetchInPod('10.0.3.2', false);
    for (const address of ['10.0.3.1', '10.0.3.2']) await answered(db, address);
    const { stderr } = succeeded(await learn.end('SIGINT'));
    assert.doesNotMatch(stderr, /without a name|could not be asked/);
    assert.deepEqual(await recorded(db, '10.0.3.1'), [toldOf(labelled)]);
    assert.deepEqual(await recorded(db, '10.0.3.2'), [toldOf(bare)]);
    for (const { sandboxId } of [labelled, bare]) await kubelet.remove(sandboxId);
  });

  test('with files alone it is named the same, by what these tell', async () => {
    renameSync(SOCKET, `${SOCKET}.away`);
    kubelet.close();
    kubelet = new Kubelet(`${SOCKET}.away`);
    const learn = await Running.start('learn', '--db', db);
    const ended = await fetchInPod('10.0.3.4', true);
    const { stderr } = succeeded(await learn.end('SIGINT'));
    assert.doesNotMatch(stderr, /without a name|could not be asked/);
    const unlabelled = { ...toldOf(ended), image_digest: null, labels: null };
    assert.deepEqual(await recorded(db, '10.0.3.4'), [unlabelled]);
  });

  test('a pod that is made anew is the same subject', () => {
    const { stdout } = succeeded(bouheki('generate', '--db', db));
    assert.match(stdout, /from: \{ uid: \[0\], container: \[market\/app\] \}/);
    assert.equal(stdout.match(/container: \[market\/app\]/g)!.length, 1, stdout);
    const [, rule] = /container: \[market\/app\][^]*?to:([^]*?)(?:- name|$)/.exec(stdout)!;
    for (const address of ['10.0.3.1', '10.0.3.2', '10.0.3.4']) assert.ok(rule!.includes(address), stdout);
  });

  test('what ctr runs is what containerd tells, where CRI is switched off', async () => {
    await start(K3S, 'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n');
    importImages(K3S, 'default');
    const id = 'c1'.repeat(32);
    const learn = await Running.start('learn', '--db', db);
    succeeded(run('ctr', '--address', K3S, 'run', ...RUN, id, ...fetchOf('10.0.3.3')));
    await answered(db, '10.0.3.3');
    const { stderr } = succeeded(await learn.end('SIGINT'));
    assert.doesNotMatch(stderr, /without a name|could not be asked/);
    const info = succeeded(run('ctr', '--address', K3S, 'containers', 'info', id)).stdout;
    const { Image, Labels } = JSON.parse(info) as { Image: string; Labels: Record<string, string> };
    assert.equal(Labels.tier, 'front');
    assert.deepEqual(await recorded(db, '10.0.3.3'), [
      {
        runtime: 'containerd',
        container_id: id,
        in_container: true,
        container: id,
        image: Image,
        image_digest: digest,
        labels: Labels,
        pod: null,
        namespace: null,
      },
    ]);
  });
});
