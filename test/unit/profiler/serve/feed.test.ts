import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BATCH_ROWS, EventBatch } from '../../../../profiler/event/batch.ts';
import { type BatchColumns, batchIn, BatchFrames } from '../../../../profiler/serve/batch-frame.ts';
import { Feed } from '../../../../profiler/serve/feed.ts';
import { FrameDecoder, PLAIN_HEADER } from '../../../../profiler/serve/frame.ts';
import { directoryFor } from '../../cli/fixture.ts';

/** A batch whose every cell is this number, as far as its column holds it. */
function batchOf(rows: number, number: number): EventBatch {
  const batch = new EventBatch();
  batch.length = rows;
  batch.events = rows;
  for (const column of Object.values(batch.columns)) {
    if (column instanceof BigInt64Array || column instanceof BigUint64Array) column.fill(BigInt(number));
    else column.fill(number);
  }
  return batch;
}

function assertIs({ columns, rows }: BatchColumns, expected: { rows: number; number: number }): void {
  assert.equal(rows, expected.rows);
  for (const [name, column] of Object.entries(columns)) {
    assert.equal(column.length, rows, name);
    for (const cell of column) assert.equal(Number(cell), expected.number, name);
  }
}

interface Pair {
  socket: Socket;
  /** Its other end, which the recorder has. */
  other: Socket;
}

async function pair(t: TestContext, feed: Feed): Promise<Pair> {
  const path = join(directoryFor(t), 'sock');
  const server = createServer((socket) => feed.subscribe(socket.on('error', () => {}))).listen(path);
  t.after(() => server.close());
  const socket = connect(path).on('error', () => {});
  t.after(() => socket.destroy());
  const [other] = (await once(server, 'connection')) as [Socket];
  return { socket, other };
}

async function subscriber(t: TestContext, feed: Feed): Promise<Socket> {
  return (await pair(t, feed)).socket;
}

interface Taken {
  batches: BatchColumns[];
  missed: number;
}

async function taken(socket: Socket): Promise<Taken> {
  const decoder = new FrameDecoder(1 << 20);
  const all: Taken = { batches: [], missed: 0 };
  for await (const bytes of socket) {
    for (const message of decoder.push(bytes as Buffer)) {
      if (message instanceof Uint8Array) all.batches.push(batchIn(message));
      else all.missed += (message as { missed?: number }).missed ?? 0;
    }
  }
  return all;
}

test('batches of any size come out as they went in, and nothing else is one', () => {
  const frames = new BatchFrames();
  for (const rows of [0, 1, 7, 100, BATCH_ROWS, 3]) {
    const frame = frames.fill(batchOf(rows, rows % 100));
    const [body] = [...new FrameDecoder(1 << 20).push(Buffer.from(frame))] as [Uint8Array];
    assertIs(batchIn(body), { rows, number: rows % 100 });
    frames.release(frame);
  }
  const good = frames.fill(batchOf(5, 1)).subarray(PLAIN_HEADER);
  for (const bad of [good.subarray(0, 3), good.subarray(0, -8), Buffer.concat([good, Buffer.alloc(8)])])
    assert.throws(() => batchIn(bad), /no batch/);
  const many = Buffer.from(good);
  many.writeUInt32LE(BATCH_ROWS + 1);
  assert.throws(() => batchIn(many), /no batch/);
});

test('who is slow gets all that waits for him when the recorder ends', async (t) => {
  const feed = new Feed();
  const { other, socket } = await pair(t, feed);
  const batches = 30;
  for (let number = 0; number < batches; number += 1) feed.append(batchOf(BATCH_ROWS, number));
  // As a recorder that ends.
  const ended = feed.end().then(() => other.destroy());
  const decoder = new FrameDecoder(1 << 20);
  let [rows, wasEnded] = [0, false];
  for await (const bytes of socket) {
    for (const message of decoder.push(bytes as Buffer)) {
      if (message instanceof Uint8Array) rows += batchIn(message).rows;
      else wasEnded ||= 'ended' in (message as object);
    }
    // All of it takes seconds.
    await sleep(50);
  }
  await ended;
  assert.deepEqual({ rows, wasEnded }, { rows: batches * BATCH_ROWS, wasEnded: true });
});

test('who takes nothing at all is not waited for when the recorder ends', async (t) => {
  const feed = new Feed();
  const { other, socket } = await pair(t, feed);
  socket.pause();
  for (let number = 0; number < 30; number += 1) feed.append(batchOf(BATCH_ROWS, number));
  const began = performance.now();
  await feed.end();
  assert.ok(performance.now() - began < 8000, 'it gave up before the longest time');
  other.destroy();
});

test('who is slow gets each batch as it was, or its events are counted for him', async (t) => {
  const feed = new Feed();
  const [slow, quick] = [await subscriber(t, feed), await subscriber(t, feed)];
  slow.pause();
  const prompt = taken(quick);
  const counts = { batches: 0, events: 0 };
  // More than waits for a subscriber, which is 4 MB.
  for (; counts.batches < 60; counts.batches += 1) {
    const rows = counts.batches % 3 === 0 ? 100 : BATCH_ROWS;
    feed.append(batchOf(rows, counts.batches));
    counts.events += rows;
    feed.committed();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const late = taken(slow);
  await feed.end();
  for (const { batches, missed } of [await late, await prompt]) {
    const rows = batches.reduce((sum, batch) => sum + batch.rows, 0);
    assert.equal(rows + missed, counts.events);
    for (const batch of batches) {
      const number = Number(batch.columns.process[0]);
      assertIs(batch, { rows: number % 3 === 0 ? 100 : BATCH_ROWS, number });
    }
  }
  assert.ok((await late).missed > 0, 'the slow one has missed some');
});
