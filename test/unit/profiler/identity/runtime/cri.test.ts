import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ContainerNames } from '../../../../../profiler/identity/container.ts';
import { Containerd } from '../../../../../profiler/identity/runtime/containerd.ts';
import { CriO } from '../../../../../profiler/identity/runtime/cri-o.ts';
import type { Runtime } from '../../../../../profiler/identity/runtime/runtime.ts';
import { criServer, folderOf, type Services } from './cri-server.ts';

const ID = 'a'.repeat(64);
const SANDBOX = 'b'.repeat(64);
const IMAGE = 'c'.repeat(64);
const DIGEST = `sha256:${'d'.repeat(64)}`;
const POD = { 'io.kubernetes.pod.name': 'app-7c9d', 'io.kubernetes.pod.namespace': 'shop' };
const CRI = 'runtime.v1.RuntimeService';
const NEVER = new AbortController().signal;

const containerd = (...sockets: string[]) =>
  new Containerd(sockets.map((socket) => ({ socket, state: '/nowhere' })));
const criO = (socket: string) => new CriO('/nowhere', '/nowhere', socket);

/** A runtime with one container in one pod, which knows it by every beginning of its id. */
function criOf(status: object): Services {
  return {
    [CRI]: {
      ContainerStatus: ({ containerId }) =>
        ID.startsWith(containerId as string)
          ? { status: { id: ID, metadata: { name: 'app' }, ...status } }
          : undefined,
      ListContainers: ({ filter }) => ({
        containers: (filter as { id: string }).id === ID ? [{ id: ID, podSandboxId: SANDBOX }] : [],
      }),
      PodSandboxStatus: ({ podSandboxId }) =>
        podSandboxId === SANDBOX
          ? { status: { id: SANDBOX, metadata: { name: 'app-7c9d', namespace: 'shop' }, labels: POD } }
          : undefined,
    },
  };
}

/** containerd's own services, with one container and its image in each named namespace. */
function containerdOf(containers: Record<string, object>): Services {
  return {
    'containerd.services.namespaces.v1.Namespaces': {
      List: () => ({ namespaces: ['empty', ...Object.keys(containers)].map((name) => ({ name })) }),
    },
    'containerd.services.containers.v1.Containers': {
      Get: ({ id }, space = '') =>
        id === ID && space in containers ? { container: { id, ...containers[space] } } : undefined,
    },
    'containerd.services.images.v1.Images': {
      Get: ({ name }, space = '') =>
        name === 'docker.io/shop/app:3' && space in containers
          ? { image: { target: { digest: DIGEST } } }
          : undefined,
    },
  };
}

/** Asks about a container as a recording does, until nothing is open any more. */
async function namesOf(runtime: Runtime, patience?: number) {
  const names = new ContainerNames([runtime], patience);
  const container = names.find({ runtime: runtime.name, id: ID, path: `/x/${ID}` });
  while (container.asked) await names.settle();
  return { name: container.name, known: container.known, troubles: [...names.troubles] };
}

/** A unix socket where each connection gets the bytes, and no more. */
async function socketSaying(t: TestContext, bytes: Uint8Array): Promise<string> {
  const open = new Set<Socket>();
  const server = createServer((connection) => {
    open.add(connection);
    connection.on('error', () => {}).resume();
    connection.write(bytes);
  });
  const socket = join(folderOf(t), 'api.sock');
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => {
    for (const connection of open) connection.destroy();
    server.close();
  });
  return socket;
}

test('containerd and CRI-O tell name, image, digest, labels and pod through CRI', async (t) => {
  const labels = { ...POD, tier: 'front' };
  const status = {
    image: { image: 'docker.io/shop/app:3' },
    imageRef: `docker.io/shop/app@${DIGEST}`,
    labels,
  };
  const socket = await criServer(t, criOf(status));
  for (const runtime of [containerd(socket), criO(socket)]) {
    assert.deepEqual(await runtime.ask(ID, NEVER), {
      name: 'shop/app',
      image: 'docker.io/shop/app:3',
      imageId: '',
      digest: DIGEST,
      labels,
      pod: 'app-7c9d',
      namespace: 'shop',
    });
  }
});

test('the pod of a container without labels of a kubelet is that of its sandbox', async (t) => {
  const status = { image: { image: 'docker.io/shop/app:3' }, imageRef: `sha256:${IMAGE}` };
  assert.deepEqual(await criO(await criServer(t, criOf(status))).ask(ID, NEVER), {
    name: 'shop/app',
    image: 'docker.io/shop/app:3',
    imageId: IMAGE,
    labels: {},
    pod: 'app-7c9d',
    namespace: 'shop',
  });
});

test('a sandbox is told as that of its pod', async (t) => {
  assert.deepEqual(await containerd(await criServer(t, criOf({}))).ask(SANDBOX, NEVER), {
    name: 'shop/sandbox',
    image: '',
    imageId: '',
    labels: POD,
    pod: 'app-7c9d',
    namespace: 'shop',
  });
});

test('an image that was asked for by its id goes by the name in the pod', async (t) => {
  const image = { image: `sha256:${IMAGE}`, userSpecifiedImage: 'shop/app:3' };
  const socket = await criServer(t, criOf({ image, imageId: IMAGE, labels: POD }));
  const facts = await criO(socket).ask(ID, NEVER);
  assert.deepEqual([facts?.image, facts?.imageId], ['shop/app:3', IMAGE]);
});

test('the beginning of an id is no id', async (t) => {
  const socket = await criServer(t, criOf({ labels: POD }));
  assert.equal(await criO(socket).ask(ID.slice(0, 12), NEVER), undefined);
  assert.equal(await criO(socket).ask('e'.repeat(64), NEVER), undefined);
});

test('a containerd without CRI tells what nerdctl, ctr and Kubernetes call a container, in whichever namespace', async (t) => {
  const image = 'docker.io/shop/app:3';
  const kubelet = { ...POD, 'io.kubernetes.container.name': 'app' };
  const pod = { pod: 'app-7c9d', namespace: 'shop' };
  for (const [space, labels, named] of [
    ['default', { 'nerdctl/name': 'web' }, { name: 'web' }],
    ['mine', { tier: 'front' }, { name: ID }],
    ['k8s.io', kubelet, { name: 'shop/app', ...pod }],
  ] as const) {
    const socket = await criServer(t, containerdOf({ [space]: { labels, image } }));
    const facts = await containerd(socket).ask(ID, NEVER);
    assert.deepEqual(facts, { ...named, image, imageId: '', digest: DIGEST, labels });
  }
});

test('of several sockets that one counts which knows the container', async (t) => {
  const other = await criServer(t, { ...criOf({}), ...containerdOf({}) });
  const own = await criServer(t, criOf({ labels: POD }));
  const silent = await socketSaying(t, Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const { name, troubles } = await namesOf(containerd('/nowhere/api.sock', silent, other, own));
  assert.deepEqual([name, troubles], ['shop/app', []]);
});

test('an id that nobody knows is no trouble', async (t) => {
  const services = { ...criOf({}), ...containerdOf({}) };
  (services[CRI]!.ContainerStatus as unknown) = () => undefined;
  const { known, troubles } = await namesOf(containerd(await criServer(t, services)));
  assert.deepEqual([known, troubles], [false, []]);
});

test('a service that is not offered is counted', async (t) => {
  const socket = await criServer(t, {});
  for (const runtime of [containerd(socket), criO(socket)]) {
    assert.deepEqual(await namesOf(runtime), {
      name: ID.slice(0, 12),
      known: false,
      troubles: [[`${runtime.name}: the answer is gRPC UNIMPLEMENTED`, 1]],
    });
  }
  // Not where containerd's own interface knows the container, nor where CRI alone is not offered.
  const own = await criServer(t, containerdOf({ default: { labels: { 'nerdctl/name': 'web' } } }));
  assert.deepEqual(await namesOf(containerd(own)), { name: 'web', known: true, troubles: [] });
});

test('a socket that hangs is given up', async (t) => {
  for (const said of ['', '\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\xff\xff']) {
    const socket = await socketSaying(t, Buffer.from(said, 'latin1'));
    const { known, troubles } = await namesOf(containerd(socket), 200);
    assert.deepEqual([known, troubles], [false, [['containerd: no answer within 200 ms', 1]]]);
  }
});

test('a socket that speaks nonsense is given up', async (t) => {
  for (const said of ['HTTP/1.1 400 Bad Request\r\n\r\n', '\xff'.repeat(1000), 'x'.repeat(1 << 20)]) {
    const socket = await socketSaying(t, Buffer.from(said, 'latin1'));
    const { known, troubles } = await namesOf(criO(socket), 2000);
    assert.equal(known, false);
    assert.deepEqual(
      troubles.map(([, count]) => count),
      [1],
    );
    assert.match(troubles[0]![0], /^cri-o: (the answer is gRPC \w+|no answer within 2000 ms)$/);
  }
});

test('a socket that nobody listens on any more, and one that is not there, are no trouble', async (t) => {
  const left = join(folderOf(t), 'api.sock');
  // It stays where it is when the process ends that made it.
  const script = `require('node:net').createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  for (const socket of [left, '/nowhere/api.sock']) {
    assert.deepEqual((await namesOf(criO(socket))).troubles, []);
    assert.deepEqual((await namesOf(containerd(socket))).troubles, []);
  }
});

test('a socket that may not be opened is counted', async (t) => {
  const socket = await criServer(t, criOf({ labels: POD }));
  chmodSync(dirname(socket), 0);
  // Root may open every socket.
  const isRoot = process.geteuid!() === 0;
  if (isRoot) process.seteuid!(65_534);
  const { troubles } = await namesOf(criO(socket)).finally(() => isRoot && process.seteuid!(0));
  assert.deepEqual(troubles, [['cri-o: EACCES', 1]]);
  chmodSync(dirname(socket), 0o700);
});
