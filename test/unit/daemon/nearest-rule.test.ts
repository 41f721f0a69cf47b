import assert from 'node:assert/strict';
import test from 'node:test';
import { entryOf } from '../../../daemon/denial/denial-entry.ts';
import { followLinks } from '../../../policy/meaning/linked-path.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import type { Denial } from '../../../profiler/record/denial.ts';

const POLICY = `version: 2
network:
  mode: block
  allow:
    - name: web
      from: { exe: [/usr/bin/curl], uid: [0] }
      to: [{ cidr: [10.0.1.1/32], port: [80], protocol: [tcp] }]
    - name: cli
      from: { exe: [/bin/node], script: [/opt/cli.js] }
      to: [{ cidr: [10.0.1.1/32], port: [80], protocol: [tcp] }]
    - name: other
      from: { exe: [/bin/node], script: [/opt/other.js] }
      to: [{ cidr: [10.0.1.1/32], port: [80], protocol: [tcp] }]
    - name: agent
      from: { exe: ["/opt/agent_*/agent"], uid: [0] }
      to: [{ cidr: [10.0.1.1/32], port: [80], protocol: [tcp] }]
    - name: service
      from: { unit: [backup.service] }
      to: [{ cidr: [10.0.1.1/32], port: [80], protocol: [tcp] }]
    - name: container db
      from: { container: [db] }
      to: [{ cidr: [10.0.9.9/32], port: [8080], protocol: [tcp] }]
`;

const DENIAL: Denial = {
  image: {
    key: 1n,
    path: '/usr/bin/curl',
    script: '',
    nodename: 'host',
    parentCommand: 'sh',
    ancestors: '',
    row: 1,
    inContainer: false,
    asker: { pid: 1, started: 1n, cgroup: 1n, networkNamespace: 1 },
  },
  command: 'curl',
  inContainer: false,
  pid: 7,
  count: 1,
  uid: 0,
  user: 'root',
  destination: { family: 4, value: 0x0a00_0107n, port: 80 },
  socket: undefined,
  protocol: 6,
  blocked: true,
  box: undefined,
  generation: 1,
};

function nearestTo(change: Partial<Denial>): string | undefined {
  const written = parsePolicy(POLICY, 'policy.yaml').policy!;
  const { policy } = followLinks(written, (path) => [path.replace(/^\/bin\//, '/usr/bin/')]);
  return entryOf({ ...DENIAL, ...change }, { policy, hash: '' }).nearest?.find();
}

test('the nearest rule of a denial is that of its program, or of its destination', () => {
  assert.equal(nearestTo({}), 'web');
  const image = { ...DENIAL.image!, path: '/usr/bin/nc' };
  assert.equal(
    nearestTo({ image, uid: 5, destination: { family: 4, value: 0x0a00_0909n, port: 8080 } }),
    'container db',
  );
});

test('the nearest rule is found by what a pattern or a link of it means, by scripts and by units', () => {
  const image = DENIAL.image!;
  assert.equal(nearestTo({ image: { ...image, path: '/opt/agent_2.8/agent' } }), 'agent');
  for (const [script, rule] of [
    ['/opt/cli.js', 'cli'],
    ['/opt/other.js', 'other'],
  ] as const) {
    assert.equal(nearestTo({ image: { ...image, path: '/usr/bin/node', script } }), rule);
  }
  const unit = 'backup.service';
  assert.equal(nearestTo({ image: { ...image, path: '/usr/bin/rsync', unit }, uid: 5 }), 'service');
});

test('a denial by a rule, of a socket, or of a policy that is forgotten has no nearest rule', () => {
  assert.equal(nearestTo({ box: 0 }), undefined);
  assert.equal(nearestTo({ destination: undefined, socket: 1 }), undefined);
  assert.equal(entryOf(DENIAL, undefined).nearest, undefined);
});

test('a denial has the name that its address was known by, and a socket has none', () => {
  assert.equal(entryOf({ ...DENIAL, name: 'api.example' }, undefined).name, 'api.example');
  assert.ok(!('name' in entryOf(DENIAL, undefined)));
  assert.ok(!('name' in entryOf({ ...DENIAL, name: 'x', destination: undefined, socket: 1 }, undefined)));
});
