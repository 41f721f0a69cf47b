/** Which container the recorder says a process is in, and under which name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProcessFlag } from '../../../../bpf/wire.ts';
import { recording } from '../recorder-fixture.ts';

const ID = 'a'.repeat(64);
const CGROUP = `container\0libpod-${ID}.scope\0machine.slice\0\0`;

test('a container that gets its name later is reported again, once', () => {
  const { connections, recorder, written, learnName } = recording();
  connections.process({ key: 9n, cgroup_path: CGROUP, flags: ProcessFlag.inContainer });
  connections.process({ key: 10n, cgroup_path: CGROUP, flags: ProcessFlag.inContainer });
  recorder.drain();
  recorder.flush();
  assert.deepEqual(
    written.containers.map(({ id, name }) => [id, name]),
    [[ID, '']],
  );
  assert.deepEqual(
    written.processes.map(({ containerId }) => containerId),
    [1, 1],
  );
  learnName();
  recorder.flush();
  recorder.flush();
  assert.deepEqual(
    written.updates.map(([id, { name, image }]) => [id, name, image]),
    [[1, 'web', 'nginx:1']],
  );
});

test('a container is looked for when its cgroup is made, before it connects', () => {
  const { connections, recorder, written, learnName, forgetName } = recording();
  learnName();
  connections.cgroup({ cgroup: 77n, cgroup_path: CGROUP });
  recorder.drain();
  forgetName();
  connections.process({ key: 9n, cgroup_path: CGROUP, flags: ProcessFlag.inContainer });
  recorder.drain();
  assert.deepEqual(
    written.containers.map(({ name }) => name),
    ['web'],
  );
});

test('a container inside another has its id, and no name but that of the one that holds it', () => {
  const { connections, recorder, written, learnName } = recording();
  learnName();
  const inner = 'b'.repeat(64);
  const flags = ProcessFlag.inContainer;
  connections.process({ key: 9n, cgroup_path: `libpod-${inner}\0${CGROUP}`, flags });
  connections.process({ key: 10n, cgroup_path: CGROUP, flags });
  recorder.drain();
  assert.deepEqual(
    written.containers.map(({ id, name, parent }) => [id, name, parent]),
    [
      [ID, 'web', undefined],
      [inner, '', 1],
    ],
  );
  assert.deepEqual(
    written.processes.map(({ containerId }) => containerId),
    [2, 1],
  );
});

test('a virtual machine of systemd is no container', () => {
  const { connections, recorder, written } = recording();
  const machine = 'machine-web.scope\0machine.slice\0\0';
  connections.process({ key: 9n, cgroup_path: machine });
  connections.process({ key: 10n, cgroup_path: `payload\0${machine}`, flags: ProcessFlag.inContainer });
  recorder.drain();
  assert.deepEqual(
    written.processes.map(({ containerId }) => containerId),
    [undefined, 1],
  );
});

test('containers without a name are counted, also those whose runtime is not known', () => {
  const { connections, processes, recorder, learnName } = recording();
  const flags = ProcessFlag.inContainer;
  connections.process({ key: 9n, cgroup_path: CGROUP, flags });
  connections.process({ key: 10n, cgroup_path: 'box\0\0', flags });
  connections.process({ key: 11n, cgroup_path: 'box\0\0', flags });
  connections.process({ key: 12n, cgroup_path: 'box\0\0' });
  recorder.drain();
  assert.equal(processes.unnamed, 2);
  learnName();
  recorder.flush();
  assert.equal(processes.unnamed, 1);
});
