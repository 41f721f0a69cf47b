import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutOff } from '../../../../../fleet/agent/policy/cut-off.ts';
import { readBody } from '../../../../../fleet/agent/policy/examine.ts';
import { localPolicy } from '../../../../../fleet/agent/policy/local-policy.ts';
import { parseAddress } from '../../../../../policy/value/address.ts';
import { formatPrefix } from '../../../../../policy/value/cidr.ts';
import type { Subject } from '../../../../../profiler/read/observation.ts';

const own = ['10.0.0.5', '2001:db8::5'].map((text) => parseAddress(text)!);
const policy = (rules: string) =>
  readBody(Buffer.from(`version: 2\nnetwork:\n  mode: block\n  target: host\n  allow:\n${rules}`));
const web = { id: '1', name: 'web-1', labels: { role: 'web' } };

test('loopback in a policy of the fleet means this host by its own addresses too, and nothing else does', () => {
  const read = policy(`    - to: [{ cidr: [127.0.0.1/32], port: [5432] }]
    - to: [{ cidr: [192.0.2.0/24] }]
    - to: [{ cidr: ["::1/128"] }]
    - to: [{ cidr: [0.0.0.0/0] }]
    - to: [{ port: [53] }]
`);
  const { boxes } = localPolicy(read, { host: web, own, mode: 'block' });
  assert.deepEqual(
    boxes.map(({ to }) => to.prefixes?.map(formatPrefix)),
    [
      ['127.0.0.1/32', '10.0.0.5/32'],
      ['192.0.2.0/24'],
      ['::1/128', '2001:db8::5/128'],
      ['0.0.0.0/0'],
      undefined,
    ],
  );
  assert.deepEqual(boxes[0]!.to.ports, [{ first: 5432, last: 5432 }]);
});

test('rules for other hosts are left out, and a placement that monitors blocks nobody', () => {
  const read = policy(`    - from: { host: [web-2] }
      to: [{ cidr: [192.0.2.0/24] }]
    - from: { host: [role=web] }
      to: [{ cidr: [198.51.100.0/24] }]
`);
  const here = localPolicy(read, { host: web, own, mode: 'monitor' });
  assert.deepEqual([here.mode, here.boxes.length], ['monitor', 1]);
  assert.equal(localPolicy(read, { host: undefined, own, mode: 'block' }).boxes.length, 0);
});

const hub = (name: string | undefined, ...addresses: string[]) => ({
  text: 'hub:8443',
  name,
  port: 8443,
  addresses: addresses.map((each) => parseAddress(each)!),
});

test('a hub is cut off where none of its addresses is allowed to the agent', () => {
  const self: Subject = { command: 'node', exe: '/usr/bin/node', uid: 0, gid: 0, inContainer: false };
  const read = policy(`    - from: { exe: [/usr/bin/node] }
      to: [{ cidr: [192.0.2.7/32], port: [8443] }, { name: [hub.example] }]
`);
  const lost = (...hubs: Parameters<typeof cutOff>[2]) => cutOff(read, self, hubs, Date.now() * 1000);
  assert.equal(lost(hub(undefined, '192.0.2.7')), undefined);
  assert.equal(lost(hub(undefined, '2001:db8::7', '192.0.2.7')), undefined);
  assert.equal(lost(hub('hub.example', '203.0.114.9')), undefined);
  assert.equal(lost(hub(undefined, '192.0.2.7'), hub(undefined, '192.0.2.8')), 'hub:8443 (192.0.2.8)');
  // Its name may stand for something again.
  assert.equal(lost(hub('other.example')), undefined);
  const other = { ...self, exe: '/opt/node' };
  assert.match(cutOff(read, other, [hub(undefined, '192.0.2.7')], 0) ?? '', /hub/);
  assert.equal(cutOff({ ...read, mode: 'monitor' }, other, [hub(undefined, '192.0.2.7')], 0), undefined);
});
