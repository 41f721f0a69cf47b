import assert from 'node:assert/strict';
import test from 'node:test';
import { Known } from '../../../../profiler/event/columns.ts';
import { openReader, type RecordedObservation } from '../../../../profiler/read/read.ts';
import { openRecorder } from '../../../../profiler/store/store.ts';
import {
  batchOf,
  databaseFor,
  type Event,
  HOUR,
  LEARN,
  processRow,
  START,
  startRecording,
} from '../fixture.ts';

const named = (name: string, change: Event = {}): Event => ({
  names: [name, 'second.example'],
  known: Known.self,
  ...change,
});

async function read(path: string): Promise<RecordedObservation[]> {
  const reader = await openReader(path);
  try {
    return await reader.observations();
  } finally {
    reader.close();
  }
}

/** What is compared of an observation. */
const tell = ({ subject, port, verdict, count, names }: RecordedObservation): unknown[] => [
  subject.exe,
  port,
  verdict,
  count,
  names,
];

test('an observation has the best names of its events, those of most events first, and is not split by them', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  recording.command('curl');
  recording.process(processRow());
  recording.process(processRow({ exe: '/usr/bin/wget' }));
  const events = [
    ...Array.from({ length: 3 }, () => named('b.example')),
    ...Array.from({ length: 3 }, (_, hour) =>
      named('a.example', { known: Known.host, time: START + hour * HOUR }),
    ),
    named('c.example', { age: 7 }),
    {},
    named('denied.example', { verdict: 1 }),
    named('other.example', { process: 2 }),
    ...Array.from({ length: 12 }, (_, index) => named(`n${index % 12}.example`, { port: 80 })),
    named('n9.example', { port: 80 }),
    { port: 22 },
  ];
  recording.append(batchOf(events, recording));
  await recording.end('complete');
  const before = await read(path);
  const curl = '/usr/bin/curl';
  const first = ['n9', 'n0', 'n1', 'n10', 'n11', 'n2', 'n3', 'n4'].map((name) => `${name}.example`);
  assert.deepEqual(before.map(tell), [
    [curl, 22, 'allow', 1, undefined],
    [curl, 80, 'allow', 13, first],
    [curl, 443, 'allow', 8, ['a.example', 'b.example', 'c.example']],
    [curl, 443, 'deny', 1, ['denied.example']],
    ['/usr/bin/wget', 443, 'allow', 1, ['other.example']],
  ]);
  assert.ok(!('names' in before[0]!));
  const keeper = await store.retention({ seconds: 0 });
  await keeper.look(START + 100 * HOUR);
  assert.deepEqual((await read(path)).map(tell), before.map(tell), 'folded hours say the same');
  const reader = await openReader(path);
  assert.deepEqual(
    (await reader.observations({ since: START + HOUR })).map(({ count, names }) => [count, names]),
    [[2, ['a.example']]],
  );
  assert.equal((await reader.extent()).named, 22);
  reader.close();
  await keeper.close();
  await store.stopServing();
  store.close();
});

test('observations are told apart by names, by who asked for them and with the highest age, where that is asked for', async (t) => {
  const path = databaseFor(t);
  const store = await openRecorder(path);
  for (const _ of [1, 2]) {
    const recording = await startRecording(store, LEARN);
    recording.command('curl');
    recording.process(processRow());
    const events = [
      named('a.example', { age: -5 }),
      named('a.example', { age: 70, time: START + HOUR }),
      named('a.example', { known: Known.host, age: 3 }),
      named('b.example', { age: 9000 }),
      {},
      { port: 22 },
    ];
    recording.append(batchOf(events, recording));
    await recording.end('complete');
  }
  const apart = async () => {
    const reader = await openReader(path);
    const found = await reader.observations({ byNames: true });
    const together = await reader.observations();
    reader.close();
    assert.deepEqual(
      together.map(({ count, known, port }) => [port, count, known]),
      [
        [22, 2, undefined],
        [443, 10, undefined],
      ],
    );
    return found.map(({ count, known, names, port }) => [port, count, names, known]);
  };
  const expected = [
    [22, 2, undefined, undefined],
    [443, 2, undefined, undefined],
    [443, 4, ['a.example', 'second.example'], { by: 'self', age: 70 }],
    [443, 2, ['a.example', 'second.example'], { by: 'host', age: 3 }],
    [443, 2, ['b.example', 'second.example'], { by: 'self', age: 9000 }],
  ];
  assert.deepEqual(await apart(), expected);
  const keeper = await store.retention({ seconds: 0 });
  await keeper.look(START + 100 * HOUR);
  assert.deepEqual(await apart(), expected, 'folded hours say the same');
  await keeper.close();
  await store.stopServing();
  store.close();
});
