import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection, ConnectionFlag, Counter, ProcessFlag, RecordKind } from '../../../../bpf/wire.ts';
import { Operation, Verdict } from '../../../../profiler/event/batch.ts';
import { FakeRing } from '../fake-ring.ts';
import { recording } from '../recorder-fixture.ts';

const ID = 'a'.repeat(64);
const CGROUP = `container\0libpod-${ID}.scope\0machine.slice\0\0`;
const DENIED = { verdict: 1, flags: ConnectionFlag.judged | ConnectionFlag.blocked } as const;

test('a connection becomes a row with the process that was reported before it', () => {
  const { connections, recorder, written } = recording();
  connections.process({ key: 9n, arguments: 'curl\0-s\0', flags: ProcessFlag.primed });
  connections.connection({ process: 9n, time: 1000n });
  assert.equal(recorder.drain(), 1);
  assert.equal(written.events.length, 0);
  recorder.flush();
  assert.equal(written.flushes, 1);
  const [event] = written.events;
  assert.equal(typeof event!.time, 'bigint');
  delete event!.time;
  assert.deepEqual(event, {
    process: 1,
    command: 1,
    credential: 1,
    family: 4,
    addressHigh: 0n,
    addressLow: 0x0a00_0147n,
    port: 443,
    protocol: 6,
    operation: Operation.connect,
    verdict: 0,
    box: -1,
    names: 0,
    known: 0,
    age: 0,
    count: 1,
    span: 0,
  });
  const [row] = written.processes;
  assert.deepEqual([row!.exe, row!.arguments, row!.cgroupPath], ['/usr/bin/curl', 'curl -s', '/']);
  assert.deepEqual(written.commands, ['curl']);
});

/** The key of a fold: the record of a connection. */
function keyOf(values: Parameters<FakeRing['connection']>[0]): Buffer {
  const ring = new FakeRing();
  const at = ring.connection(values);
  return Buffer.from(ring.bytes.slice(at, at + Connection.size));
}

test('folded connections become one row with their count, after their process was reported, and one denial', () => {
  const { denials, denied, folds, recorder, written } = recording();
  const { blocked, inContainer } = ConnectionFlag;
  const first = 10n ** 9n;
  const folded = { count: 41, first, last: first + 5000n };
  folds.push([keyOf({ process: 9n, ...DENIED, time: 3n }), folded]);
  folds.push([keyOf({ process: 0n, pid: 0, verdict: 1, flags: blocked | inContainer, family: 6 }), folded]);
  denials.process({ key: 9n });
  recorder.flush();
  const [one, other] = written.folds;
  assert.deepEqual([one!.process, one!.addressLow, one!.count, one!.verdict], [1, 0x0a00_0147n, 41, 1]);
  assert.equal(one!.last - one!.first, 5);
  assert.deepEqual([other!.process, other!.addressHigh], [0, 0x0a00_0147_0000_0000n]);
  assert.equal(written.counters.events, 82);
  assert.deepEqual(
    denied.map(({ count, image, inContainer: inside, pid }) => [count, image?.row, pid, inside]),
    [
      [41, 1, 4711, false],
      [41, undefined, 0, true],
    ],
  );
});

test('datagrams that the kernel side has counted are one row of their process, its names and times, with their count', () => {
  const { connections, recorder, repeats, written } = recording();
  const send = { process: 9n, operation: Operation.send, protocol: 17 };
  connections.process({ key: 9n });
  connections.connection({ ...send, time: 10n ** 9n });
  const times = { first: 2n * 10n ** 9n, last: 2n * 10n ** 9n + 7_000_999n };
  repeats.push([keyOf({ ...send, time: times.first }), { count: 49_999, ...times }]);
  recorder.flush();
  const [one, others] = written.events;
  assert.deepEqual([one!.count, one!.span, others!.count, others!.span], [1, 0, 49_999, 7000]);
  assert.deepEqual([others!.process, others!.operation], [1, Operation.send]);
  assert.equal(Number(others!.time) - Number(one!.time), 1_000_000);
  assert.equal(written.counters.events, 50_000);
  assert.deepEqual(written.folds, []);
});

test('counted datagrams for which the sink has no room stay where they are, and are read before the end', async () => {
  const { recorder, repeats, written } = recording();
  const counted = { count: 3, first: 1n, last: 2n };
  for (const port of [1, 2, 3]) repeats.push([keyOf({ port }), counted]);
  written.room = 2;
  recorder.flush();
  assert.deepEqual([written.events.length, repeats.length], [2, 1]);
  written.room = Number.POSITIVE_INFINITY;
  await recorder.drainAll();
  recorder.flush();
  assert.deepEqual(
    written.events.map(({ port, count }) => [port, count]),
    [1, 2, 3].map((port) => [port, 3]),
  );
});

test('what was too much to distinguish is lost, with the user whose it was', () => {
  const { excess, folds, recorder, written } = recording();
  const nothing = { kind: RecordKind.excess, uid: 1000, first: 0n };
  const folded = { count: 7, first: 1n, last: 2n };
  folds.push([keyOf({ ...nothing, verdict: 1, flags: ConnectionFlag.blocked }), folded]);
  folds.push([keyOf(nothing), { ...folded, count: 8 }]);
  recorder.flush();
  assert.deepEqual(written.losses, [
    ['denial-share', 7, 1000],
    ['share', 8, 1000],
  ]);
  assert.deepEqual(excess, [{ uid: 1000, user: undefined, inContainer: false, blocked: true, count: 7 }]);
});

test('the halves of an IPv6 address go to their columns', () => {
  const { connections, recorder, written } = recording();
  connections.connection({ family: 6, address: [0xfd, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1] });
  recorder.drain();
  recorder.flush();
  assert.deepEqual(
    [written.events[0]!.family, written.events[0]!.addressHigh, written.events[0]!.addressLow],
    [6, 0xfd00_0000_0000_0002n, 1n],
  );
});

test('a connection whose process record was lost is kept, without a process', () => {
  const { connections, denials, recorder, written, denied } = recording();
  connections.connection({ process: 404n });
  denials.connection({ process: 404n, ...DENIED });
  recorder.drain();
  recorder.flush();
  assert.deepEqual(
    written.events.map(({ process }) => process),
    [0, 0],
  );
  assert.equal(denied[0]!.image, undefined);
});

test('an event without its process is a loss, counted once with the record that the kernel side lost', () => {
  const { connections, counters, denials, recorder, written } = recording();
  connections.connection({ process: 404n });
  denials.connection({ process: 404n, ...DENIED });
  recorder.drain();
  recorder.flush();
  assert.deepEqual(written.losses, [['process', 2]]);
  // The records of two were lost by the kernel side, which counts them itself; a third was not.
  counters[Counter.lostProcess] = 2;
  recorder.flush();
  connections.connection({ process: 405n });
  recorder.drain();
  recorder.flush();
  recorder.flush();
  assert.deepEqual(written.losses, [
    ['process', 2],
    ['process', 1],
  ]);
});

test('a denial is reported with the box of the policy that judged it', () => {
  const { denials, recorder, denied, written } = recording();
  recorder.setBoxBase(0x1_0000_0002n, 40);
  denials.connection({ ...DENIED, box: 3, generation: 2 });
  denials.connection({ ...DENIED, flags: ConnectionFlag.judged });
  recorder.drain();
  recorder.flush();
  assert.deepEqual(
    denied.map(({ blocked, box, generation }) => ({ blocked, box, generation })),
    [
      { blocked: true, box: 3, generation: 2 },
      { blocked: false, box: undefined, generation: 0 },
    ],
  );
  assert.deepEqual(
    written.events.map(({ verdict, box }) => [verdict, box]),
    [
      [Verdict.deny, 43],
      [Verdict.noted, -1],
    ],
  );
});

test('a denial after a reload to block is recorded as one, and one before it as noted, folded or not', () => {
  const { denials, folds, recorder, written } = recording();
  const noted = { verdict: 1, flags: ConnectionFlag.judged } as const;
  const folded = { count: 2, first: 1n, last: 2n };
  for (const each of [noted, DENIED]) {
    denials.connection(each);
    folds.push([keyOf({ process: 0n, ...each }), folded]);
  }
  recorder.drain();
  recorder.flush();
  const verdicts = [...written.events, ...written.folds].map(({ verdict }) => verdict);
  assert.deepEqual(verdicts, [Verdict.noted, Verdict.deny, Verdict.noted, Verdict.deny]);
});

test('a UDP connect is an intent and not logged, whether it got EPERM or only would have', () => {
  const { denials, recorder, denied, written } = recording();
  denials.connection({ ...DENIED, operation: Operation.intent });
  denials.connection({ ...DENIED, operation: Operation.intent, flags: ConnectionFlag.judged });
  recorder.drain();
  recorder.flush();
  assert.deepEqual(
    written.events.map(({ operation }) => operation),
    [Operation.intent, Operation.intent],
  );
  assert.equal(denied.length, 0);
});

test('a process that two threads reported is one row', () => {
  const { connections, recorder, written } = recording();
  connections.process({ key: 9n });
  connections.process({ key: 9n });
  connections.process({ key: 10n });
  recorder.drain();
  assert.equal(written.processes.length, 2);
});

test('what the kernel side lost since the last flush is recorded, not what it lost before we began', () => {
  const { counters, recorder, written } = recording();
  counters[Counter.lostConnection] = 5;
  counters[Counter.lostDenial] = 1;
  counters[Counter.lostProcess] = 2;
  counters[Counter.lostIdentity] = 3;
  recorder.flush();
  counters[Counter.lostConnection] = 6;
  counters[Counter.skippedRun] = 2;
  recorder.flush();
  assert.deepEqual(written.losses, [
    ['ring', 5],
    ['denial-ring', 1],
    ['process', 2],
    ['map', 3],
    ['ring', 1],
    ['skipped', 2],
  ]);
});

test('a cgroup that was made is reported with its path', () => {
  const { connections, recorder, made } = recording();
  connections.cgroup({ cgroup: 77n, cgroup_path: CGROUP });
  assert.equal(recorder.drain(), 0);
  assert.deepEqual(made, [[77n, `/machine.slice/libpod-${ID}.scope/container`]]);
});

test('more events than a batch holds are appended on the way', () => {
  const { connections, recorder, written } = recording();
  for (let round = 0; round < 5; round += 1) {
    const ring = new FakeRing();
    for (let index = 0; index < 500; index += 1) ring.connection({ port: index });
    connections.drain = ring.drain.bind(ring);
    Object.defineProperty(connections, 'pending', { get: () => ring.pending, configurable: true });
    Object.assign(connections, { bytes: ring.bytes, view: ring.view, words: ring.words });
    recorder.drain();
  }
  assert.equal(written.events.length, 2048);
  recorder.flush();
  assert.equal(written.events.length, 2500);
  assert.equal(written.events.at(-1)!.port, 499);
});

test('without a recording denials are still heard of, with their process', () => {
  const { connections, denials, recorder, written, denied } = recording();
  recorder.discard();
  connections.process({ key: 9n });
  denials.connection({ process: 9n, ...DENIED });
  assert.equal(recorder.drain(), 1);
  recorder.flush();
  assert.equal(written.events.length, 0);
  assert.equal(denied[0]!.image?.path, '/usr/bin/curl');
});

test('a process that is reported late is known from then on, under each name that it gives itself', () => {
  const { connections, recorder, written } = recording();
  connections.connection({ process: 9n });
  connections.process({ key: 9n });
  connections.connection({ process: 9n });
  connections.connection({ process: 9n, comm: 'worker' });
  connections.connection({ process: 9n });
  recorder.drain();
  recorder.flush();
  assert.deepEqual(
    written.events.map(({ process, command }) => [process, command]),
    [
      [0, 1],
      [1, 2],
      [1, 3],
      [1, 2],
    ],
  );
});

test('times are exact to the microsecond, also a year after boot', () => {
  const { connections, recorder, written } = recording();
  const year = 365n * 86_400n * 1_000_000_000n;
  for (const time of [0n, 999n, 1000n, year + 1234n, year + 2000n]) connections.connection({ time });
  recorder.drain();
  recorder.flush();
  const [first, ...others] = written.events.map(({ time }) => time as bigint);
  assert.deepEqual(
    others.map((time) => time - first!),
    [0n, 1n, year / 1000n + 1n, year / 1000n + 2n],
  );
});

test('what the sink has no room for stays in the ring, and is read when it has', async () => {
  const { connections, denials, written, recorder } = recording();
  connections.process();
  for (let port = 1; port <= 6; port += 1) connections.connection({ port });
  for (let port = 7; port <= 9; port += 1) denials.connection({ port, ...DENIED });
  written.room = 4;
  recorder.drain();
  assert.deepEqual(
    [connections.pending, denials.pending],
    [3, 2],
    'a process, three connections, and a denial',
  );
  recorder.flush();
  const all = recorder.drainAll();
  assert.ok(connections.pending + denials.pending > 0);
  written.room = 100;
  await all;
  recorder.flush();
  assert.deepEqual(
    written.events.map(({ port }) => Number(port)).sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
});

test('a record of an unknown kind is not passed by in silence, and what follows it is read', () => {
  const { connections, recorder } = recording();
  const at = connections.connection();
  connections.bytes[at] = 77;
  connections.connection();
  assert.throws(() => recorder.drain(), /unknown kind 77/);
  assert.equal(recorder.drain(), 1);
});

test('what the kernel side has counted of an unknown kind is not passed by in silence', () => {
  const { folds, recorder } = recording();
  const key = keyOf({});
  key[0] = 77;
  folds.push([key, { count: 1, first: 0n, last: 0n }]);
  assert.throws(() => recorder.flush(), /unknown kind 77/);
});
