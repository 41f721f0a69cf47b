import assert from 'node:assert/strict';
import test from 'node:test';
import { endpoint } from '../../../generator/drift/entry.ts';
import { generatePolicy } from '../../../generator/generate.ts';
import { mergeWithBase } from '../../../generator/merge.ts';
import type { Observation } from '../../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { input, observed, OPTIONS, policyOf, print, START } from './fixture.ts';
import { findDrift } from './drift/find-drift.ts';

const PING = { command: 'ping', exe: '/usr/bin/ping', uid: 0, gid: 0 };

const opened = (socket: Observation['socket'], change: Partial<RecordedObservation> = {}) =>
  observed({
    address: 0n,
    port: 0,
    protocol: 0,
    count: 3,
    ...(socket && { socket }),
    ...change,
    subject: PING,
  });

test('what a subject opened stands on its rule, beside its destinations, to be reviewed', () => {
  const text = print([
    observed({ subject: PING, protocol: 1, port: 0, count: 9 }),
    opened('raw'),
    opened('packet'),
    opened('packet', { verdict: 'deny' }),
  ]);
  assert.match(text, /^ {4}# 15 events .*, most to 10\.0\.0\.1\/icmp$/m);
  const rule = `    # review: can send past the rules for addresses: packet socket, raw socket
    - name: /usr/bin/ping uid 0
      from: { exe: [/usr/bin/ping], uid: [0] }
      to:
        - { cidr: [10.0.0.1/32], protocol: [icmp] }
      sockets: [raw, packet]
`;
  assert.ok(text.includes(rule), text);
  assert.match(text, /# Boxes: 2, optimal \(certified\)/);
});

test('a record of sockets alone is a policy that allows no address', () => {
  const text = print([opened('raw')]);
  assert.match(text, /# Over-grant: none, no address is named/);
  assert.deepEqual(policyOf(text).boxes.at(-1)?.to, { sockets: ['raw'] });
});

test('the flat layout, in which everybody could open it, leaves a socket out and says so', () => {
  const { document, omissions } = generatePolicy(input([observed(), opened('raw')]), {
    ...OPTIONS,
    layout: 'flat',
  });
  assert.deepEqual(
    omissions.map(({ reason, subject }) => [reason, subject]),
    [['socket, which the flat layout would let everybody open', '/usr/bin/ping uid 0']],
  );
  assert.deepEqual(document.flat?.command?.allow, ['curl']);
});

test('drift names the sockets that were opened and those that were denied', () => {
  const policy = policyOf(print([observed(), opened('raw')]));
  const drift = findDrift(policy, [
    opened('raw'),
    opened('packet'),
    opened('source-route', { verdict: 'deny' }),
  ]);
  assert.deepEqual(
    drift.new.map(({ socket, address, rule }) => ({ socket, address, rule })),
    [
      {
        socket: 'packet',
        address: undefined,
        rule: { name: '/usr/bin/ping uid 0', relation: 'other socket' },
      },
    ],
  );
  assert.deepEqual(
    drift.denied.map(({ socket }) => socket),
    ['source-route'],
  );
  assert.deepEqual(drift.new.map(endpoint), ['opens packet socket']);
});

test('a merge adds a socket as a rule of its own and leaves the rules there as they are', () => {
  const text = print([observed(), observed({ subject: PING })]);
  const later = START + 10 * 3_600_000_000;
  const demands = generatePolicy(input([opened('raw', { first: later, last: later })]), OPTIONS).demands;
  const base = { text, policy: policyOf(text) };
  const merged = mergeWithBase(base, demands, { count: 3, first: later, last: later });
  const boxes = policyOf(merged.text).boxes;
  assert.deepEqual(boxes.slice(0, -1), base.policy.boxes);
  assert.deepEqual(boxes.at(-1)?.to, { sockets: ['raw'] });
});
