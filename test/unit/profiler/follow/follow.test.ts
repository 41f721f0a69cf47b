import assert from 'node:assert/strict';
import { connect } from 'node:net';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Follower, type Followed, type FollowedPart } from '../../../../profiler/follow/follow.ts';
import { openReader } from '../../../../profiler/read/read.ts';
import type { Recording } from '../../../../profiler/record/recording.ts';
import { encodeFrame, FrameDecoder } from '../../../../profiler/serve/frame.ts';
import { RecorderClient } from '../../../../profiler/serve/recorder-client.ts';
import type { RecordStore } from '../../../../profiler/store/store.ts';
import { batchOf, databaseFor, type Event, openRecording, processRow } from '../fixture.ts';

/** A recorder of curl, which commits every few milliseconds as a session does every second. */
async function startRecorder(
  t: TestContext,
): Promise<{ path: string; recording: Recording; add(...events: Event[]): void; end(): Promise<void> }> {
  const path = databaseFor(t);
  const { recording, store } = await openRecording(path);
  recording.process(processRow());
  recording.command('curl');
  const timer = setInterval(() => recording.flush(), 5);
  const add = (...events: Event[]): void => recording.append(batchOf(events.map(now), recording));
  t.after(() => clearInterval(timer));
  return { path, recording, add, end: async () => (clearInterval(timer), await endOf(store, recording)) };
}

const now = (event: Event): Event => ({ time: Date.now() * 1000, ...event });

async function endOf(store: RecordStore, recording: Recording): Promise<void> {
  await recording.end('complete');
  await store.stopServing();
  store.close();
}

async function open(path: string): Promise<Follower> {
  const follower = await Follower.open(path);
  assert.ok(follower);
  return follower;
}

/** What comes until the recorder ends. */
async function all(follower: Follower): Promise<FollowedPart> {
  const sum: FollowedPart = { events: [], missed: 0, lost: 0 };
  for await (const { events, lost, missed } of follower.parts()) {
    for (const event of events) sum.events.push(event);
    sum.missed += missed;
    sum.lost += lost;
  }
  return sum;
}

const count = (events: readonly Followed[]): number => events.reduce((sum, each) => sum + each.count, 0);

test('what is recorded is followed with its names, and what was not seen before is new', async (t) => {
  const { add, end, path, recording } = await startRecorder(t);
  add({ low: 0x0a000001n });
  recording.account('user', 1000, 'ada');
  recording.flush();
  await sleep(5);
  const follower = await open(path);
  const coming = all(follower);
  recording.process(
    processRow({ key: 2n, exe: '/usr/bin/wget', script: '/opt/fetch.sh', unit: 'fetch.service' }),
  );
  recording.command('wget');
  recording.boxes([{ name: 'web', action: 'allow' }]);
  add({ low: 0x0a000001n }, { low: 0x0a000002n }, { low: 0x0a000002n, count: 3 });
  add({ process: 2, command: 2, box: 0, names: ['example.com', 'cdn.example.com'], known: 1 });
  add({ process: 2, command: 2, low: 7n, verdict: 2, names: ['example.com'], known: 1 }, { operation: 2 });
  recording.recordLoss('ring', 5);
  recording.recordLoss('answer', 7);
  await end();
  const { events, lost, missed } = await coming;
  assert.deepEqual([lost, missed, follower.ended], [5, 0, true]);
  assert.deepEqual(
    events.map(({ subject, destination, isNew, count: times }) => [
      subject.exe,
      destination.address,
      isNew,
      times,
    ]),
    [
      ['/usr/bin/curl', 0x0a000001n, false, 1],
      ['/usr/bin/curl', 0x0a000002n, true, 1],
      ['/usr/bin/curl', 0x0a000002n, false, 3],
      ['/usr/bin/wget', 0x0a000001n, true, 1],
      ['/usr/bin/wget', 7n, false, 1],
      ['/usr/bin/curl', 0x0a000001n, false, 1],
    ],
    'by a name that it was seen with, an address is not new',
  );
  const [first, , , fourth, fifth, sixth] = events;
  assert.deepEqual([first!.user, first!.pid, first!.verdict, first!.rule], ['ada', 4711, 'allow', undefined]);
  assert.deepEqual(fourth!.names, ['example.com', 'cdn.example.com']);
  assert.deepEqual(
    [fourth!.rule, fourth!.subject.command, fourth!.subject.script, fourth!.subject.unit],
    ['web', 'wget', '/opt/fetch.sh', 'fetch.service'],
  );
  assert.deepEqual([fifth!.verdict, sixth!.operation], ['noted', 'intent']);
});

test('events that the kernel side has only counted are followed too', async (t) => {
  const { end, path, recording } = await startRecorder(t);
  recording.credential({ uid: 33, euid: 33, fsuid: 33, gid: 33, egid: 33, fsgid: 33 });
  const follower = await open(path);
  const coming = all(follower);
  recording.folded({
    process: 1,
    command: 1,
    credential: 1,
    family: 6,
    addressHigh: 0x2001_0db8n << 32n,
    addressLow: 1n,
    port: 53,
    protocol: 17,
    operation: 1,
    verdict: 1,
    box: -1,
    names: 0,
    known: 0,
    age: 0,
    count: 42,
    first: Date.now() * 1000,
    last: Date.now() * 1000,
  });
  await end();
  const { events } = await coming;
  const [event] = events;
  assert.deepEqual([events.length, event!.count, event!.verdict, event!.subject.uid], [1, 42, 'deny', 33]);
  assert.equal(event!.destination.address, (0x2001_0db8n << 96n) | 1n);
});

test('of many events in a short time each one is followed, or counted as missed', async (t) => {
  const { add, end, path } = await startRecorder(t);
  const follower = await open(path);
  const coming = all(follower);
  const events = Array.from({ length: 1000 }, (_, low) => ({ low: BigInt(low) }));
  for (let round = 0; round < 100; round += 1) {
    add(...events);
    await sleep(10);
  }
  await end();
  const { events: followed, missed } = await coming;
  assert.equal(count(followed) + missed, 100_000);
});

test('who takes nothing misses events, which are counted, and the recorder does not wait', async (t) => {
  const { add, end, path } = await startRecorder(t);
  const client = await RecorderClient.connect(path);
  const messages = await client.watch();
  const events = Array.from({ length: 2000 }, () => ({}));
  for (let round = 0; round < 200; round += 1) {
    add(...events);
    if (round % 10 === 0) await sleep(1);
  }
  const ending = end();
  let [shown, missed] = [0, 0];
  for await (const message of messages) {
    if ('batch' in message) shown += message.batch.rows;
    if ('missed' in message) missed += message.missed;
  }
  await ending;
  assert.ok(missed > 100_000, `${missed} missed`);
  assert.equal(shown + missed, 400_000);
});

test('those who watch are in no reader’s way, hold nothing, and are four at the most', async (t) => {
  const { end, path } = await startRecorder(t);
  const clients = await Promise.all(Array.from({ length: 4 }, () => RecorderClient.connect(path)));
  for (const client of clients) {
    await client.hold();
    await client.watch();
  }
  const fifth = await RecorderClient.connect(path);
  await assert.rejects(fifth.watch(), { code: 'store-busy', message: /as many watch/ });
  const readers = await Promise.all(Array.from({ length: 7 }, () => openReader(path)));
  for (const reader of readers) reader.close();
  for (const client of [...clients, fifth]) client.close();
  await end();
});

test('what watches can ask for nothing more', async (t) => {
  const { end, path } = await startRecorder(t);
  const socket = connect(`${path}.sock`);
  socket.write(encodeFrame({ watch: true }));
  socket.write(encodeFrame({ hold: true }));
  const decoder = new FrameDecoder(1 << 20);
  const messages: object[] = [];
  for await (const bytes of socket) {
    for (const message of decoder.push(bytes as Buffer)) messages.push(message as object);
    if (messages.some((message) => 'failure' in message)) break;
  }
  assert.ok(!messages.some((message) => 'held' in message));
  assert.ok(messages.some((message) => 'watching' in message));
  await end();
});

test('where no recorder runs there is nothing to follow', async (t) => {
  const { end, path } = await startRecorder(t);
  await end();
  assert.equal(await Follower.open(path), undefined);
});
