import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ContainerNames } from '../../../profiler/container.ts';
import { Docker } from '../../../profiler/runtime/docker.ts';
import { ContainersStorage } from '../../../profiler/runtime/podman.ts';

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

test('docker tells name and image in the state of a container', (t) => {
  const root = stateOf(t, {
    [`${ID}/config.v2.json`]: { Name: '/web', Image: `sha256:${IMAGE}`, Config: { Image: 'nginx:1' } },
  });
  assert.deepEqual(new Docker(root).find(ID), { name: 'web', image: 'nginx:1', imageId: IMAGE });
  assert.equal(new Docker(root).find('c'.repeat(64)), undefined);
});

test('podman tells them in the index of whichever storage driver, also of a volatile container', (t) => {
  for (const file of ['containers.json', 'volatile-containers.json']) {
    const root = stateOf(t, {
      'overlay-containers/containers.json': [],
      [`vfs-containers/${file}`]: [{ id: ID, names: ['web'], image: IMAGE }],
      'vfs-images/images.json': [{ id: IMAGE, names: ['docker.io/nginx:1'] }],
    });
    const facts = { name: 'web', image: 'docker.io/nginx:1', imageId: IMAGE };
    assert.deepEqual(new ContainersStorage('podman', root).find(ID), facts);
  }
});

test('state that is missing, half written or of another shape is no answer, and no error', (t) => {
  for (const content of ['', '[{"id":', '{}', '"text"']) {
    const root = stateOf(t, {
      'overlay-containers/containers.json': content,
      [`${ID}/config.v2.json`]: content === '{}' ? '' : content,
    });
    assert.equal(new ContainersStorage('podman', root).find(ID), undefined, content);
    if (content !== '"text"') assert.equal(new Docker(root).find(ID), undefined, content);
  }
  assert.equal(new ContainersStorage('podman', '/nowhere').find(ID), undefined);
  assert.equal(new Docker('/nowhere').find(ID), undefined);
});

test('a container goes by its id until its runtime tells the name, and keeps the name when it has gone', () => {
  let facts: { name: string; image: string; imageId: string } | undefined;
  let asked = 0;
  const runtime = {
    name: 'podman',
    find: () => {
      asked += 1;
      return facts;
    },
  };
  const names = new ContainerNames([runtime]);
  assert.deepEqual(names.find('podman', ID), {
    runtime: 'podman',
    id: ID,
    name: ID.slice(0, 12),
    image: '',
    imageId: '',
    known: false,
  });
  facts = { name: 'web', image: 'nginx:1', imageId: IMAGE };
  assert.equal(names.find('podman', ID).name, 'web');
  facts = undefined;
  assert.equal(names.find('podman', ID).name, 'web');
  assert.equal(asked, 2);
  assert.equal(names.find('containerd', 'c'.repeat(64)).known, false);
});
