import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cgroupAttachment } from '../../../bpf/probe.ts';
import { cgroupRoot } from '../../../host/cgroup-root.ts';

test('--cgroup / is the root of the hierarchy of version 2, where it is mounted, and no other name is changed', () => {
  assert.deepEqual(cgroupAttachment('/'), { backend: 'cgroup', cgroup: cgroupRoot() });
  assert.match(cgroupRoot(), /^\/sys\/fs\/cgroup/);
  for (const cgroup of ['/sys/fs/cgroup/system.slice', '/sys/fs/cgroup/unified', '.'])
    assert.deepEqual(cgroupAttachment(cgroup), { backend: 'cgroup', cgroup });
});
