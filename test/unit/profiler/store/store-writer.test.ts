import assert from 'node:assert/strict';
import test from 'node:test';
import type { Order } from '../../../../profiler/store/store-message.ts';
import { StoreWriter } from '../../../../profiler/store/store-writer.ts';
import { batchOf } from '../fixture.ts';

/** A writer, what it has sent, and a clock that stands still. */
function writerOf() {
  const sent: Order[] = [];
  const clock = { now: 1000 };
  const writer = new StoreWriter(
    { send: (orders) => void sent.push(...orders), end: async () => undefined, abandon: () => undefined },
    () => clock.now,
  );
  return { writer, sent, clock };
}

test('no more batches are sent than may be on their way, and each that is taken makes room for one', () => {
  const { writer, sent } = writerOf();
  const { room } = writer;
  for (; writer.room > 0;) writer.append(batchOf([{}]));
  assert.equal(sent.length * 2048, 131_072);
  assert.ok(room > 0);
  assert.throws(() => writer.append(batchOf([{}])), /no room/);
  writer.taken({ batches: 2, names: 0, orders: 2 });
  assert.equal(writer.room, 2 * 2048);
});

test('names that are on their way take room, and give it back when they have arrived', () => {
  const { writer } = writerOf();
  let names = 0;
  for (; writer.room > 0; names += 1) writer.add('command', [names, 'curl']);
  writer.commit();
  writer.taken({ batches: 0, names, orders: names });
  assert.equal(writer.room, names);
});

test('names go with what follows them, in order', () => {
  const { writer, sent } = writerOf();
  writer.add('command', [1, 'curl']);
  assert.equal(sent.length, 0);
  writer.append(batchOf([{}, {}]));
  writer.commit();
  assert.deepEqual(
    sent.map((order) => (typeof order === 'object' && 'rows' in order ? order.rows : order)),
    [['command', [1, 'curl']], 2, 'commit'],
  );
});

test('silence begins with the first order that waits, and ends with any that is taken', () => {
  const { writer, clock } = writerOf();
  clock.now += 500;
  assert.equal(writer.silence(), 0, 'nothing waits');
  writer.commit();
  clock.now += 300;
  writer.commit();
  clock.now += 300;
  assert.equal(writer.silence(), 600);
  writer.taken({ batches: 0, names: 0, orders: 1 });
  assert.equal(writer.silence(), 0);
  clock.now += 50;
  assert.equal(writer.silence(), 50, 'the other one still waits');
  writer.taken({ batches: 0, names: 0, orders: 1 });
  assert.equal(writer.silence(), 0);
});

test('nobody was silent while this process itself stood still', () => {
  const { writer, clock } = writerOf();
  writer.silence();
  writer.commit();
  clock.now += 1000;
  assert.equal(writer.silence(), 1000);
  // As after SIGSTOP, a pause of a virtual machine, or a minute of other work.
  clock.now += 90_000;
  assert.equal(writer.silence(), 6000);
  writer.taken({ batches: 0, names: 0, orders: 1 });
  writer.commit();
  for (let second = 1; second <= 60; second += 1) {
    clock.now += 1000;
    assert.equal(writer.silence(), 1000 * second);
  }
});

test('a process that always looks late notices silence all the same', () => {
  const { writer, clock } = writerOf();
  writer.silence();
  writer.commit();
  for (let look = 1; look <= 12; look += 1) {
    clock.now += 7000;
    assert.equal(writer.silence(), 5000 * look);
  }
});
