import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import {
  bundleFolders,
  type BundleNetwork,
  readNetwork,
  readResolvConf,
} from '../../../../../profiler/identity/runtime/bundle.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

function writeIn(path: string, files: Record<string, string>): void {
  mkdirSync(path, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
}

const OWN = { linux: { namespaces: [{ type: 'pid' }, { type: 'network' }] } };
/** What the path of every process's cgroup has. */
const ID = '/';

test('bundles are found where containerd, docker, podman and CRI-O keep them', (t) => {
  const root = folder(t);
  writeIn(join(root, 'tasks/k8s.io/abc'), {});
  writeIn(join(root, 'run/overlay-containers/def/userdata'), {});
  writeIn(join(root, 'run/overlay-layers'), {});
  const found = bundleFolders(
    [join(root, 'tasks'), join(root, 'none')],
    join(root, 'run'),
    join(root, 'lib'),
  );
  assert.deepEqual(
    found.map(({ path, bundle }) => [path, bundle('abc')]),
    [
      [
        join(root, 'tasks/k8s.io'),
        {
          id: 'abc',
          configs: [join(root, 'tasks/k8s.io/abc/config.json')],
          pidFile: join(root, 'tasks/k8s.io/abc/init.pid'),
        },
      ],
      [
        join(root, 'run/overlay-containers'),
        {
          id: 'abc',
          configs: ['lib', 'run'].map((each) =>
            join(root, each, 'overlay-containers/abc/userdata/config.json'),
          ),
          pidFile: join(root, 'run/overlay-containers/abc/userdata/pidfile'),
        },
      ],
    ],
  );
  chmodSync(join(root, 'tasks/k8s.io'), 0o777);
  assert.equal(
    bundleFolders([join(root, 'tasks')], join(root, 'none')).length,
    0,
    'anybody may have made them',
  );
});

test('a bundle has the first process and the resolv.conf of a container with a network of its own', (t) => {
  const at = folder(t);
  const bundle = { id: ID, configs: [join(at, 'none'), join(at, 'config.json')], pidFile: join(at, 'pid') };
  assert.equal(readNetwork(bundle), undefined);
  const mounts = [
    { destination: '/etc/hosts', source: '/a' },
    { destination: '/etc/resolv.conf', source: '/b' },
  ];
  writeIn(at, { 'config.json': JSON.stringify({ ...OWN, mounts }), pid: `${process.pid}\n` });
  const since = statSync(join(at, 'pid')).ctimeMs;
  assert.deepEqual(readNetwork(bundle), { pid: process.pid, since, resolvConf: '/b' });
  writeIn(at, { 'config.json': JSON.stringify(OWN) });
  assert.equal((readNetwork(bundle) as BundleNetwork).resolvConf, undefined);
  assert.equal(
    readNetwork({ ...bundle, id: 'of another cgroup' }),
    undefined,
    'the number is of another process now',
  );
  writeIn(at, { 'config.json': JSON.stringify({ linux: { namespaces: [{ type: 'pid' }] } }) });
  assert.equal(readNetwork(bundle), 'host');
  writeIn(at, { 'config.json': '{"linux":' });
  assert.equal(readNetwork(bundle), undefined, 'being written');
});

test('a resolv.conf counts as the runtime wrote it, which the container can have changed', (t) => {
  const path = join(folder(t), 'resolv.conf');
  const text = 'nameserver 192.0.2.1\n';
  assert.equal(readResolvConf(path, 0), undefined);
  writeFileSync(path, text);
  const written = statSync(path).ctimeMs;
  assert.deepEqual(readResolvConf(path, written), { text, asWritten: true });
  // The time of the last change can be set to any other, but not that of the inode.
  utimesSync(path, 0, 0);
  assert.deepEqual(readResolvConf(path, written - 1), { text, asWritten: false });
  for (const prefix of ['', 'sha256:']) {
    writeFileSync(`${path}.hash`, prefix + createHash('sha256').update(text).digest('hex'));
    assert.equal(readResolvConf(path, 0)!.asWritten, true);
  }
  writeFileSync(path, 'nameserver 192.0.2.2\n');
  assert.equal(readResolvConf(path, 0)!.asWritten, false);
  chmodSync(path, 0o666);
  assert.equal(readResolvConf(path, written), undefined, 'any user of the host can write it');
});
