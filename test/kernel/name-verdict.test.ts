/** What a policy by names allows: the programs that read DNS, those that judge, and what keeps them true to each other. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { NameCounter } from '../../bpf/wire.ts';
import { addressOf, allow, bed, counted, reach, visit, WITHIN } from './name/bed.ts';
import './name/room.ts';
import './name/swap.ts';

/** Long with BOUHEKI_LONG. */
const NEW = process.env['BOUHEKI_LONG'] === undefined ? 1500 : 10_000;

describe('a rule by name', () => {
  const WHICH: [pattern: string, name: string, outcome: 'done' | 'denied'][] = [
    ['exact.test', 'exact.test', 'done'],
    ['exact.test', 'EXact.TesT', 'done'],
    ['exact.test', 'below.exact.test', 'denied'],
    ['exact.test', 'notexact.test', 'denied'],
    ['"*.wide.test"', 'a.wide.test', 'done'],
    ['"*.wide.test"', 'a.b.c.wide.test', 'done'],
    ['"*.wide.test"', 'wide.test', 'denied'],
    ['"*.wide.test"', 'notwide.test', 'denied'],
    ['"*.wide.test"', 'via.wide.test', 'done'],
    ['exact.test, "*.wide.test"', 'other.test', 'denied'],
    ['"*"', 'whatever.test', 'done'],
    ['"*.test", deep.er.test', 'deep.er.test', 'done'],
    ['"*.test", deep.er.test', 'x.er.test', 'done'],
    [`${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`, '', 'done'],
  ];

  for (const [pattern, name, outcome] of WHICH) {
    test(`that says ${pattern.slice(0, 40)}: ${name || 'the longest one'} is ${outcome}`, async () => {
      allow(`{ name: [${pattern}], ${WITHIN} }`);
      const each = name || pattern;
      assert.equal(await visit(each), outcome === 'done' ? 'done' : '1 denied');
      if (outcome === 'done') assert.equal(await reach(addressOf(each.toLowerCase())), 'done');
    });
  }

  test(`holds in the next system call after the answer, for each of ${NEW} new names`, async () => {
    allow(`{ name: ["*.race.test"], ${WITHIN} }`);
    const before = counted(NameCounter.knownFull);
    assert.equal(await bed.client.does('visit', ['race.test', NEW]), 'done');
    assert.equal(counted(NameCounter.knownFull), before);
  });

  test('allows none of 150 addresses that nobody has asked for', async () => {
    allow(`{ name: ["*"], ${WITHIN} }`);
    for (let at = 0; at < 150; at += 1) assert.equal(await reach(`10.99.0.${at}`), 'denied');
  });

  test('holds for its own port, and a deny of the address is above it', async () => {
    allow(`{ name: [port.test], ${WITHIN}, port: [80] }`);
    assert.equal(await visit('port.test'), 'done');
    assert.equal(await reach(addressOf('port.test'), 81), 'denied');
    allow(`{ name: [port.test], ${WITHIN} }`, `  deny: [{ to: [{ cidr: [${addressOf('port.test')}] }] }]\n`);
    assert.equal(await reach(addressOf('port.test')), 'denied');
  });
});

describe('what a rule by name counts for', () => {
  test('reaches public addresses alone where it names no others', async () => {
    allow('{ name: ["*.rebound.test"] }');
    for (const address of ['169.254.169.254', '10.0.0.5', '127.0.0.9', '100.64.0.1', '224.0.0.9'])
      assert.equal(await visit(`at-${address.replaceAll('.', '-')}.rebound.test`), '1 denied', address);
    assert.equal(await visit('at-1-2-3-4.rebound.test'), 'done');
    assert.equal(await reach('1.2.3.5'), 'denied');
  });

  test('counts for 64 addresses of an answer, by IPv6 and by TCP', async () => {
    allow(`{ name: ["*.count.test"], ${WITHIN} }`);
    for (const many of [1, 30, 64, 65]) {
      assert.equal(await bed.client.does('ask', [`many${many}.count.test`, '127.0.0.1']), 'done');
      assert.equal(await reach(`10.200.${many}.${Math.min(many, 64) - 1}`), 'done', `${many}`);
    }
    assert.equal(await reach('10.200.65.64'), 'denied');
    await bed.client.does('resolve', ['six.count.test']);
    assert.equal(await reach('fd00:7::6'), 'done');
    assert.equal(await reach('fd00:7::7'), 'denied');
    await bed.client.does('ask', ['stream.count.test', '127.0.0.1'], { stream: true, double: true });
    assert.equal(await reach(addressOf('stream.count.test')), 'done');
    assert.equal(await reach(addressOf('second.stream.count.test')), 'done');
  });

  test('is asked again at each connection: before the answer, after it, and when its time is over', async () => {
    allow(`{ name: ["*.time.test"], ${WITHIN}, keep: 0s }`);
    const address = addressOf('ttl1.time.test');
    assert.equal(await reach(address), 'denied');
    assert.equal(await visit('ttl1.time.test'), 'done');
    await sleep(3000);
    assert.equal(await reach(address), 'denied');
    // The same answers under another policy: what is known does not depend on how long it is kept.
    allow(`{ name: ["*.time.test"], ${WITHIN}, keep: 1h }`);
    assert.equal(await reach(address), 'done');
  });

  test('is kept for as long as each rule says', async () => {
    allow(
      `{ name: ["*.keep.test"], ${WITHIN}, port: [80], keep: 0s }, { name: ["*.keep.test"], ${WITHIN}, port: [81], keep: forever }`,
    );
    assert.equal(await visit('ttl2.keep.test'), 'done');
    await sleep(4100);
    assert.equal(await reach(addressOf('ttl2.keep.test')), 'denied');
    assert.equal(await reach(addressOf('ttl2.keep.test'), 81), 'done');
  });
});
