import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyPolicy } from '../../../enforcer/apply.ts';
import { compileRules } from '../client/policy.ts';
import { addressOf, allow, bed, now, reach, visit, WITHIN } from './bed.ts';

describe('a new policy', () => {
  test('knows the names that were asked for before it, and loses none by coming into force', async () => {
    allow(`{ name: [first.test], ${WITHIN} }`);
    assert.equal(await visit('first.test'), 'done');
    assert.equal(await visit('later.test'), '1 denied');
    bed.recorder.drain();
    allow(`{ name: ["*.test"], ${WITHIN} }`);
    for (const name of ['first.test', 'later.test']) assert.equal(await reach(addressOf(name)), 'done', name);
    allow(`{ name: [later.test], ${WITHIN} }`);
    assert.equal(await reach(addressOf('first.test')), 'denied');
    assert.equal(await reach(addressOf('later.test')), 'done');
  });

  test('costs no look-up during fifty swaps', async () => {
    const both = ['"*.swap.test"', '"*.swap.test", "*.other.test"'];
    allow(`{ name: [${both[0]}], ${WITHIN} }`);
    const visiting = bed.client.does('visit', ['swap.test', 400]);
    for (let swap = 0; swap < 50; swap += 1) {
      allow(`{ name: [${both[swap % 2]}], ${WITHIN} }`);
      await sleep(5);
    }
    assert.equal(await visiting, 'done');
  });

  test('cuts no connection off whose name is known no more', async () => {
    const listening = createServer().listen(8080, '127.3.3.3');
    await new Promise((resolve) => listening.once('listening', resolve));
    const to = '{ name: ["*.long.test"], cidr: [127.3.0.0/16], port: [8080], keep: 0s }';
    try {
      allow(to);
      await bed.client.does('ask', ['at-127-3-3-3.long.test', '127.0.0.1']);
      assert.equal(await bed.client.does('hold', ['127.3.3.3', 8080]), 'done');
      bed.recorder.drain();
      // As if the TTL of a minute were over.
      const key = [...bed.names.known.keys()].find((each) => each.readBigUInt64LE(16) === 0xffff_7f03_0303n)!;
      const value = Buffer.from(bed.names.known.get(key)!);
      value.writeUInt32LE(Math.floor(now()) - 10, 0);
      bed.names.known.set(key, value);
      assert.equal(await reach('127.3.3.3', 8080), 'denied');
      assert.equal(await bed.client.does('send_on'), 'done');
    } finally {
      listening.close();
    }
  });

  test('without names asks for none, and the next one with names has all again', async () => {
    allow(`{ name: [again.test], ${WITHIN} }`);
    assert.equal(await visit('again.test'), 'done');
    bed.recorder.drain();
    allow(`{ cidr: [10.250.0.0/16] }`);
    assert.deepEqual([...bed.names.known.keys()], []);
    assert.equal(await reach(addressOf('again.test')), 'denied');
    allow(`{ name: [again.test], ${WITHIN} }`);
    assert.equal(await reach(addressOf('again.test')), 'done');
  });
});

test('a policy by name is refused where no answers are read', () => {
  const compiled = compileRules(`  allow: [{ to: [{ name: [a.test] }] }]\n`);
  const { generation } = bed.egress;
  assert.throws(
    () => applyPolicy(bed.egress, compiled, { mode: 'block', target: 'host', record: true, cgroups: [] }),
    /no answers of resolvers are read/,
  );
  assert.equal(bed.egress.generation, generation);
});
