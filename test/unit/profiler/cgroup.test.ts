import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCgroupPath } from '../../../profiler/cgroup.ts';

const ID = '0123456789abcdef'.repeat(4);
const OTHER = 'f'.repeat(64);

const container = (runtime: string, id = ID) => ({ runtime, id });

test('each runtime is known by the name that it gives a container', () => {
  const paths: [path: string, runtime: string][] = [
    [`/machine.slice/libpod-${ID}.scope/container`, 'podman'],
    [`/libpod_parent/libpod-${ID}`, 'podman'],
    [`/system.slice/docker-${ID}.scope`, 'docker'],
    [`/docker/${ID}`, 'docker'],
    [`/actions_job/${ID}`, 'docker'],
    [
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-${ID}.scope`,
      'containerd',
    ],
    [`/kubepods/burstable/pod7e2d/${ID}`, 'containerd'],
    [`/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:${ID}`, 'containerd'],
    [`/kubepods.slice/crio-${ID}.scope`, 'cri-o'],
  ];
  for (const [path, runtime] of paths)
    assert.deepEqual(readCgroupPath(path).container, container(runtime), path);
});

test('monitors, short ids and look-alikes are no containers', () => {
  for (const path of [
    `/machine.slice/libpod-conmon-${ID}.scope`,
    `/kubepods.slice/crio-conmon-${ID}.scope`,
    `/system.slice/docker-${ID.slice(1)}.scope`,
    `/user.slice/${ID}`,
    `/${ID}`,
    '/system.slice/docker.service',
    '/',
    '',
  ]) {
    assert.equal(readCgroupPath(path).container, undefined, path);
  }
});

test('the innermost container counts', () => {
  const path = `/system.slice/docker-${OTHER}.scope/machine.slice/libpod-${ID}.scope`;
  assert.deepEqual(readCgroupPath(path).container, container('podman'));
});

test('the unit is the innermost service or scope that holds no container', () => {
  assert.equal(readCgroupPath('/system.slice/ssh.service').unit, 'ssh.service');
  assert.equal(readCgroupPath('/user.slice/user@0.service/app.slice/x.scope').unit, 'x.scope');
  assert.equal(readCgroupPath(`/system.slice/app.service/libpod-${ID}.scope/container`).unit, 'app.service');
  assert.equal(readCgroupPath(`/machine.slice/libpod-${ID}.scope`).unit, undefined);
  assert.equal(readCgroupPath('/user.slice').unit, undefined);
});
