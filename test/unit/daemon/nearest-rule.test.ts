import assert from 'node:assert/strict';
import test from 'node:test';
import { entryOf } from '../../../daemon/denial/denial-entry.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import type { Denial } from '../../../profiler/record/denial.ts';

const POLICY = `version: 2
network:
  mode: block
  allow:
    - name: web
      from: { exe: [/usr/bin/curl], uid: [0] }
      to: [{ cidr: [10.0.1.1/32], port: [80], protocol: [tcp] }]
    - name: container db
      from: { container: [db] }
      to: [{ cidr: [10.0.9.9/32], port: [8080], protocol: [tcp] }]
`;

const DENIAL: Denial = {
  image: {
    key: 1n,
    path: '/usr/bin/curl',
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
  const policy = parsePolicy(POLICY, 'policy.yaml').policy!;
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
