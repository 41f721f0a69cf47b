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
