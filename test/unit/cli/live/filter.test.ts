import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Filters, wanted } from '../../../../cli/live/filter.ts';
import { parseWhere } from '../../../../cli/live/where.ts';
import { followed } from './followed.ts';

test('where is an address, a prefix, a port or both, of either family', () => {
  for (const [text, port] of [
    ['10.0.0.0/8', undefined],
    ['192.0.2.1:443', 443],
    [':53', 53],
    ['[2001:db8::1]:443', 443],
    ['[2001:db8::/32]', undefined],
    ['2001:db8::/32', undefined],
    ['::1', undefined],
  ] as const) {
    assert.deepEqual(parseWhere(text)?.port, port, text);
    assert.equal(parseWhere(text)?.prefix === undefined, text === ':53', text);
  }
  for (const text of ['', ':', ':65536', 'example.com', '10.0.0.1:', '10.0.0.1:x', '[::1', '10.0.0.1:1:2']) {
    assert.equal(parseWhere(text), undefined, text);
  }
});

test('a connection is wanted when it fits all that is asked for', () => {
  const event = followed({
    subject: {
      script: '/opt/fetch.sh',
      unit: 'fetch.service',
      inContainer: true,
      container: 'web',
      image: 'nginx:1',
    },
    names: ['www.example.com', 'example.com'],
    verdict: 'noted',
    isNew: true,
  });
  const fits: Filters[] = [
    {},
    { denied: true },
    { verdict: 'noted' },
    { new: true },
    { subject: 'curl' },
    { subject: '/usr/*' },
    { subject: 'fetch.sh' },
    { subject: 'fetch.service' },
    { subject: 'web' },
    { subject: 'nginx:*' },
    { subject: '1000' },
    { name: '*.example.com' },
    { name: 'example.com' },
    { destination: parseWhere('10.0.0.0/8:443')! },
    { denied: true, subject: 'curl', name: '*', destination: parseWhere(':443')! },
  ];
  for (const filters of fits) assert.ok(wanted(event, filters), JSON.stringify(filters, print));
  const others: Filters[] = [
    { verdict: 'deny' },
    { verdict: 'allow' },
    { subject: 'cur' },
    { subject: 'ada' },
    { name: 'example.org' },
    { destination: parseWhere(':80')! },
    { destination: parseWhere('10.0.0.2')! },
    { destination: parseWhere('::/0')! },
  ];
  for (const filters of others) assert.ok(!wanted(event, filters), JSON.stringify(filters, print));
  assert.ok(!wanted(followed(), { denied: true }));
  assert.ok(!wanted(followed(), { new: true }));
  assert.ok(wanted(followed(), { subject: 'ada' }), 'a user of this host');
});

test('a socket that is opened goes nowhere', () => {
  const event = followed({ destination: { address: 0n, port: 0, protocol: 0, socket: 'raw' } });
  assert.ok(!wanted(event, { destination: parseWhere('0.0.0.0/0')! }));
  assert.ok(wanted(event, { subject: 'curl' }));
});

const print = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
