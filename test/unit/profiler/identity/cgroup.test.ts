import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCgroupPath } from '../../../../profiler/identity/cgroup.ts';

const ID = '0123456789abcdef'.repeat(4);
const OTHER = 'f'.repeat(64);

/** The runtime and id that a path contains. */
function named(path: string): [runtime: string, id: string] | undefined {
  const { container } = readCgroupPath(path);
  return container && [container.runtime, container.id];
}

const BURSTABLE = '/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7e2d_4c1a.slice';

test('each runtime is known by the name that it gives a container', () => {
  const paths: [path: string, runtime: string][] = [
    [`/machine.slice/libpod-${ID}.scope/container`, 'podman'],
    [`/machine.slice/machine-libpod_pod_${OTHER}.slice/libpod-${ID}.scope/container`, 'podman'],
    [`/libpod_parent/libpod-${ID}`, 'podman'],
    [`/system.slice/web.service/libpod-payload-${ID}`, 'podman'],
    [`/system.slice/docker-${ID}.scope`, 'docker'],
    [`/docker/${ID}`, 'docker'],
    [`/actions_job/${ID}`, 'docker'],
    [`${BURSTABLE}/cri-containerd-${ID}.scope`, 'containerd'],
    [`/kubepods/burstable/pod7e2d-4c1a/${ID}`, 'containerd'],
    [`/kubepods/pod7e2d-4c1a/${ID}`, 'containerd'],
    [`/system.slice/containerd.service/kubepods-burstable-pod7e2d.slice:cri-containerd:${ID}`, 'containerd'],
    [`/k8s.io/${ID}`, 'containerd'],
    [`/default/${ID}`, 'containerd'],
    [`/system.slice/nerdctl-${ID}.scope`, 'containerd'],
    [`${BURSTABLE}/crio-${ID}.scope/container`, 'cri-o'],
    [`/kubepods/besteffort/pod7e2d/crio-${ID}`, 'cri-o'],
  ];
  for (const [path, runtime] of paths) assert.deepEqual(named(path), [runtime, ID], path);
});

test('LXC and systemd-nspawn name their containers in the path', () => {
  const paths: [path: string, runtime: string, name: string][] = [
    ['/lxc.payload.web/init.scope', 'lxc', 'web'],
    ['/lxc.payload.web/system.slice/ssh.service', 'lxc', 'web'],
    ['/machine.slice/machine-web.scope/payload/system.slice/ssh.service', 'nspawn', 'web'],
    ['/machine.slice/machine-web\\x2d1.scope/payload', 'nspawn', 'web-1'],
    ['/machine.slice/systemd-nspawn@web.service/payload', 'nspawn', 'web'],
    ['/machine.slice/web.scope/payload/system.slice/ssh.service', 'nspawn', 'web'],
    ['/machine.slice/web\\x2d1.scope/payload', 'nspawn', 'web-1'],
  ];
  for (const [path, runtime, name] of paths) assert.deepEqual(named(path), [runtime, name], path);
});

test('monitors, virtual machines, short ids and look-alikes are no containers', () => {
  for (const path of [
    `/machine.slice/libpod-conmon-${ID}.scope`,
    `/kubepods.slice/crio-conmon-${ID}.scope`,
    '/lxc.monitor.web',
    '/machine.slice/machine-web.scope/supervisor',
    '/machine.slice/systemd-nspawn@web.service/supervisor',
    '/machine.slice/web.scope/supervisor',
    '/machine.slice/web.scope',
    '/system.slice/web.scope/payload',
    '/machine.slice/machine-qemu\\x2d1\\x2dweb.scope',
    `/system.slice/docker-${ID.slice(1)}.scope`,
    '/system.slice/docker-registry.service',
    `/user.slice/${ID}`,
    `/${ID}`,
    '/system.slice/docker.service',
    '/',
    '',
  ]) {
    assert.equal(named(path), undefined, path);
  }
});

test('of containers inside one another the outermost is the one of this host', () => {
  const outer = `/system.slice/docker-${OTHER}.scope`;
  const path = `${outer}/kubelet/kubepods/pod1/cri-containerd-${'e'.repeat(64)}.scope/libpod-${ID}/x`;
  assert.deepEqual(readCgroupPath(path), {
    container: { runtime: 'docker', id: OTHER, path: outer },
    inner: { runtime: 'podman', id: ID, path: path.slice(0, -2) },
  });
});

test('a container under the systemd of a user is marked as that', () => {
  const rootless = '/user.slice/user-1000.slice/user@1000.service/user.slice';
  assert.equal(readCgroupPath(`${rootless}/libpod-${ID}.scope/container`).container!.user, 1000);
  assert.equal(readCgroupPath(`/user.slice/user@0.service/libpod-${ID}.scope`).container!.user, undefined);
  assert.equal(
    readCgroupPath(`/system.slice/a.service/user@1.service/libpod-${ID}`).container!.user,
    undefined,
  );
});

test('of a path whose upper end is cut off, nothing below is known for sure', () => {
  const { container, unit } = readCgroupPath(`/.../ssh.service/libpod-${ID}`);
  assert.deepEqual([container!.id, container!.user, unit], [ID, -1, undefined]);
});

test("the unit is the host's outermost service or scope: users and containers name others as they like", () => {
  assert.equal(readCgroupPath('/system.slice/ssh.service').unit, 'ssh.service');
  assert.equal(readCgroupPath('/system.slice/ci.service/ssh.service').unit, 'ci.service');
  assert.equal(
    readCgroupPath('/user.slice/user@1000.service/app.slice/ssh.service').unit,
    'user@1000.service',
  );
  assert.equal(readCgroupPath(`/system.slice/app.service/libpod-${ID}.scope/container`).unit, 'app.service');
  assert.equal(readCgroupPath(`/machine.slice/libpod-${ID}.scope`).unit, undefined);
  assert.equal(readCgroupPath(`/machine.slice/libpod-${ID}.scope/ssh.service`).unit, undefined);
  assert.equal(readCgroupPath('/user.slice').unit, undefined);
});
