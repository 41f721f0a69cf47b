import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Containerd } from '../../../../../profiler/identity/runtime/containerd.ts';
import { CriO } from '../../../../../profiler/identity/runtime/cri-o.ts';
import { Docker } from '../../../../../profiler/identity/runtime/docker.ts';
import { Podman } from '../../../../../profiler/identity/runtime/podman.ts';
import { RuntimeFailure } from '../../../../../profiler/identity/runtime/runtime.ts';

const ID = 'a'.repeat(64);
const IMAGE = 'b'.repeat(64);

function stateOf(t: TestContext, files: Record<string, unknown>): string {
  const root = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return root;
}

/** A server on a unix socket that answers by path, as a container runtime does. */
async function serverOf(t: TestContext, answers: Record<string, unknown>): Promise<string> {
  const path = join(stateOf(t, {}), 'api.sock');
  const server = createServer(({ url }, response) => {
    const answer = answers[url!];
    response
      .writeHead(answer === undefined ? 404 : 200)
      .end(JSON.stringify(answer ?? { message: 'no such thing' }));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => server.close());
  return path;
}

const NEVER = new AbortController().signal;

test('docker tells name, image and labels in the state of a container', (t) => {
  const labels = { tier: 'front' };
  const root = stateOf(t, {
    [`${ID}/config.v2.json`]: {
      Name: '/web',
      Image: `sha256:${IMAGE}`,
      Config: { Image: 'nginx:1', Labels: labels },
    },
  });
  assert.deepEqual(new Docker(root).find(ID), { name: 'web', image: 'nginx:1', imageId: IMAGE, labels });
  assert.equal(new Docker(root).find('c'.repeat(64)), undefined);
});

test('docker tells them and the digest through its API', async (t) => {
  const socket = await serverOf(t, {
    [`/containers/${ID}/json`]: {
      Name: '/web',
      Image: `sha256:${IMAGE}`,
      Config: { Image: 'nginx:1', Labels: null },
    },
    [`/images/sha256:${IMAGE}/json`]: { RepoDigests: ['nginx@sha256:d'] },
  });
  const docker = new Docker('/nowhere', socket);
  assert.deepEqual(await docker.ask(ID, NEVER), {
    name: 'web',
    image: 'nginx:1',
    imageId: IMAGE,
    digest: 'sha256:d',
  });
  assert.equal(await docker.ask('c'.repeat(64), NEVER), undefined);
});

test('podman tells them in the index of whichever storage driver, also of a volatile container', (t) => {
  for (const file of ['containers.json', 'volatile-containers.json']) {
    const root = stateOf(t, {
      'overlay-containers/containers.json': [],
      [`vfs-containers/${file}`]: [{ id: ID, names: ['web'], image: IMAGE }],
      'vfs-images/images.json': [{ id: IMAGE, names: ['docker.io/nginx:1'], digest: 'sha256:d' }],
    });
    const facts = { name: 'web', image: 'docker.io/nginx:1', imageId: IMAGE, digest: 'sha256:d' };
    assert.deepEqual(new Podman(root).find(ID), facts);
  }
});

test('an image with several names goes by the one that the container was made with', (t) => {
  const metadata = JSON.stringify({ 'image-name': 'localhost/web:2', name: 'web' });
  const root = stateOf(t, {
    'overlay-containers/containers.json': [{ id: ID, names: ['web'], image: IMAGE, metadata }],
    'overlay-images/images.json': [{ id: IMAGE, names: ['localhost/web:1', 'localhost/web:2'] }],
  });
  assert.equal(new Podman(root).find(ID)!.image, 'localhost/web:2');
});

test('podman tells labels and pod through its API', async (t) => {
  const socket = await serverOf(t, {
    [`/v4.0.0/libpod/containers/${ID}/json`]: {
      Name: 'web',
      Image: IMAGE,
      ImageName: 'docker.io/nginx:1',
      ImageDigest: 'sha256:d',
      Pod: 'p',
      Config: { Labels: { tier: 'front' } },
    },
    '/v4.0.0/libpod/pods/p/json': { Name: 'shop' },
  });
  assert.deepEqual(await new Podman('/nowhere', socket).ask(ID, NEVER), {
    name: 'web',
    image: 'docker.io/nginx:1',
    imageId: IMAGE,
    digest: 'sha256:d',
    labels: { tier: 'front' },
    pod: 'shop',
  });
});

test('containerd tells what Kubernetes calls a container, and nerdctl its own', (t) => {
  const other = 'c'.repeat(64);
  const cri = 'io.kubernetes.cri.';
  const root = stateOf(t, {
    [`k8s.io/${ID}/config.json`]: {
      annotations: {
        [`${cri}container-name`]: 'app',
        [`${cri}image-name`]: 'docker.io/shop/app:3',
        [`${cri}sandbox-name`]: 'app-7c9d',
        [`${cri}sandbox-namespace`]: 'shop',
      },
    },
    [`default/${other}/config.json`]: { annotations: { 'nerdctl/name': 'web' } },
  });
  const containerd = new Containerd([{ socket: '/nowhere', state: root }]);
  const facts = {
    name: 'shop/app',
    image: 'docker.io/shop/app:3',
    imageId: '',
    pod: 'app-7c9d',
    namespace: 'shop',
  };
  assert.deepEqual(containerd.find(ID), facts);
  assert.deepEqual(containerd.find(other), { name: 'web', image: '', imageId: '' });
  assert.equal(containerd.find(IMAGE), undefined);
});

test('CRI-O tells what Kubernetes calls a container', (t) => {
  const root = stateOf(t, {
    'overlay-containers/containers.json': [{ id: ID, names: ['k8s_app_app-7c9d_shop_uid_0'], image: IMAGE }],
    'overlay-images/images.json': [{ id: IMAGE, names: ['docker.io/shop/app:3'] }],
    [`run/${ID}/userdata/config.json`]: {
      annotations: {
        'io.kubernetes.container.name': 'app',
        'io.kubernetes.pod.name': 'app-7c9d',
        'io.kubernetes.pod.namespace': 'shop',
      },
    },
  });
  assert.deepEqual(new CriO(root, join(root, 'run')).find(ID), {
    name: 'shop/app',
    image: 'docker.io/shop/app:3',
    imageId: IMAGE,
    pod: 'app-7c9d',
    namespace: 'shop',
  });
});

test('state that is missing, half written or of another shape is no answer, and no error', (t) => {
  for (const content of ['', '[{"id":', '{}', '"text"']) {
    const root = stateOf(t, {
      'overlay-containers/containers.json': content,
      [`${ID}/config.v2.json`]: content === '{}' ? '' : content,
      [`k8s.io/${ID}/config.json`]: content,
    });
    assert.equal(new Podman(root).find(ID), undefined, content);
    assert.equal(new CriO(root, root).find(ID), undefined, content);
    assert.equal(new Containerd([{ socket: '/nowhere', state: root }]).find(ID), undefined, content);
    if (content !== '"text"') assert.equal(new Docker(root).find(ID), undefined, content);
  }
  assert.equal(new Podman('/nowhere').find(ID), undefined);
  assert.equal(new Docker('/nowhere').find(ID), undefined);
  assert.equal(new Containerd([{ socket: '/nowhere', state: '/nowhere' }]).find(ID), undefined);
});

test('an API that answers with an error or with no JSON is told as that', async (t) => {
  const path = join(stateOf(t, {}), 'api.sock');
  const answers: [status: number, text: string][] = [
    [500, '{}'],
    [500, '{"cause":"removed","message":"container is being removed","response":500}'],
    [400, 'no JSON'],
    [200, '{"Name":'],
  ];
  const server = createServer((_, response) => {
    const [status, text] = answers.shift()!;
    response.writeHead(status).end(text);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => server.close());
  const docker = new Docker('/nowhere', path);
  await assert.rejects(docker.ask(ID, NEVER), new RuntimeFailure('the answer is HTTP 500'));
  await assert.rejects(
    docker.ask(ID, NEVER),
    new RuntimeFailure('the answer is HTTP 500: container is being removed'),
  );
  await assert.rejects(docker.ask(ID, NEVER), new Error('the answer is HTTP 400'));
  await assert.rejects(docker.ask(ID, NEVER), SyntaxError);
});
