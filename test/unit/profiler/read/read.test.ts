import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { Operation, Verdict } from '../../../../profiler/event/batch.ts';
import { openReader, type Reader } from '../../../../profiler/read/read.ts';
import type { Recording } from '../../../../profiler/record/recording.ts';
import { openRecorder, type RecordingInfo } from '../../../../profiler/store/store.ts';
import { directoryFor, record } from '../../cli/fixture.ts';
import { batchOf, databaseFor, HOUR, LEARN, processRow, START, startRecording } from '../fixture.ts';

async function recorded(
  t: TestContext,
  ...runs: [Partial<RecordingInfo>, (recording: Recording) => void][]
): Promise<Reader> {
  const path = databaseFor(t);
  for (const [info, fill] of runs) {
    const store = await openRecorder(path);
    const recording = await startRecording(store, { ...LEARN, ...info });
    fill(recording);
    await recording.end('complete');
    store.close();
  }
  const reader = await openReader(path);
  t.after(() => reader.close());
  return reader;
}

/** Two processes of one executable, each connecting at `START + offset` and an hour later. */
function twoProcesses(offset: number): (recording: Recording) => void {
  return (recording) => {
    for (const key of [1n, 2n]) {
      const process = recording.process(processRow({ key, pid: Number(key) }));
      const command = recording.command('curl');
      const at = START + offset;
      recording.append(
        batchOf(
          [at, at + HOUR].map((time) => ({ process, command, time })),
          recording,
        ),
      );
    }
  };
}

test('equal subjects and destinations fold into one observation, over processes and recordings', async (t) => {
  const reader = await recorded(t, [{}, twoProcesses(0)], [{}, twoProcesses(HOUR)]);
  assert.deepEqual(await reader.observations(), [
    {
      subject: {
        command: 'curl',
        exe: '/usr/bin/curl',
        uid: 1000,
        gid: 1000,
        inContainer: false,
        cgroup: '/user.slice',
      },
      family: 4,
      address: 0x0a000001n,
      port: 443,
      protocol: 6,
      verdict: 'allow',
      monitored: false,
      count: 8,
      first: START,
      last: START + 2 * HOUR,
      hours: 3,
      blocks: [0, 2, 0, 0, 4, 0, 0, 0, 2, 0],
    },
  ]);
  const [activity] = (await reader.history()).activity;
  assert.deepEqual(
    activity!.hours,
    [0, 1, 2].map((hour) => START / HOUR + hour),
  );
});

test('events before a moment and from it on are observations apart, where that is asked for', async (t) => {
  const times = [0, 1, 2].map((hour) => ({ time: START + hour * HOUR }));
  const path = await record(directoryFor(t), [...times, { time: START + 2 * HOUR, low: 0x0a000002n }]);
  const reader = await openReader(path);
  t.after(() => reader.close());
  const read = async (ends: number[], byNames = false) =>
    (await reader.observations({ ends, byNames })).map(({ address, count, first, last }) => [
      Number(address & 0xffn),
      count,
      (first - START) / HOUR,
      (last - START) / HOUR,
    ]);
  const whole = [
    [1, 3, 0, 2],
    [2, 1, 2, 2],
  ];
  assert.deepEqual(await read([]), whole);
  // Of a moment that is not within the record nothing comes.
  assert.deepEqual(await read([START, START + 3 * HOUR]), whole);
  const apart = [
    [1, 1, 0, 0],
    [1, 2, 1, 2],
    [2, 1, 2, 2],
  ];
  assert.deepEqual(await read([START + HOUR]), apart);
  assert.deepEqual(await read([START + HOUR], true), apart);
  assert.deepEqual(await read([START + 1, START + HOUR + 1]), [
    [1, 1, 0, 0],
    [1, 1, 1, 1],
    [1, 1, 2, 2],
    [2, 1, 2, 2],
  ]);
});

test('three years are hours of their own, and a gap of years is no part of the window', async (t) => {
  const day = 24 * HOUR;
  const hourly = Array.from({ length: 168 }, (_, hour) => ({ time: START + hour * HOUR, port: 80 }));
  const daily = Array.from({ length: 900 }, (_, at) => ({ time: START + (at + 7) * day, port: 443 }));
  const path = await record(directoryFor(t), [...hourly, ...daily]);
  const three = await openReader(path);
  t.after(() => three.close());
  const { activity, observations } = await three.history();
  assert.deepEqual(
    observations.map(({ count, hours, port }) => [port, count, hours]),
    [
      [80, 168, 168],
      [443, 900, 900],
    ],
  );
  assert.equal(activity[0]!.hours.length, 168 + 900);
  assert.deepEqual(activity[0]!.hours.slice(0, 2), [START / HOUR, START / HOUR + 1]);
});

test('one event with a wrong clock leaves the parts of a good week what they are', async (t) => {
  const week = Array.from({ length: 100 }, (_, hour) => ({ time: START + hour * HOUR, port: 80 }));
  for (const wrong of [1_000_000, START + 87_600 * HOUR]) {
    const path = await record(directoryFor(t), [...week, { time: wrong, port: 443 }]);
    const reader = await openReader(path);
    t.after(() => reader.close());
    const { activity, observations } = await reader.history();
    const blocks = observations.find(({ port }) => port === 80)!.blocks;
    assert.equal(blocks.length, 10);
    for (const count of blocks) assert.ok(count >= 9 && count <= 11, blocks.join());
    assert.equal(activity[0]!.hours.length, 101);
    assert.ok(activity[0]!.hours.includes(Math.floor(wrong / HOUR)));
  }
});

test('a UDP connect that sent nothing is no observation unless intents are asked for', async (t) => {
  const reader = await recorded(t, [
    {},
    (recording) =>
      recording.append(
        batchOf(
          [
            { protocol: 17, port: 53, operation: Operation.intent },
            { protocol: 17, port: 53, operation: Operation.send },
            { protocol: 17, port: 80, operation: Operation.intent },
          ],
          recording,
        ),
      ),
  ]);
  const seen = await reader.observations();
  assert.deepEqual(
    seen.map(({ port, count }) => [port, count]),
    [[53, 1]],
  );
  const all = await reader.observations({ intents: true });
  assert.deepEqual(
    all.map(({ port, count }) => [port, count]),
    [
      [53, 2],
      [80, 1],
    ],
  );
  assert.deepEqual(
    all.map(({ intent }) => intent),
    [undefined, true],
  );
});

test('a window takes in its beginning and leaves out its end', async (t) => {
  const times = [START, START + 1, START + 2];
  const reader = await recorded(t, [
    {},
    (recording) =>
      recording.append(
        batchOf(
          times.map((time, port) => ({ time, port })),
          recording,
        ),
      ),
  ]);
  const ports = async (query: object): Promise<number[]> =>
    (await reader.observations(query)).map((observation) => observation.port);
  assert.deepEqual(await ports({ since: START + 1 }), [1, 2]);
  assert.deepEqual(await ports({ until: START + 1 }), [0]);
  assert.deepEqual(await ports({ since: START + 1, until: START + 2 }), [1]);
  assert.deepEqual(await ports({ since: START + 3 }), []);
});

test('a denial of a monitoring policy is marked as one that let the connection through', async (t) => {
  const reader = await recorded(
    t,
    // Its policy was reloaded in block mode between the two denials.
    [
      { command: 'enforce', mode: 'monitor' },
      (recording) =>
        recording.append(batchOf([{ verdict: Verdict.noted }, { verdict: Verdict.deny }, {}, {}], recording)),
    ],
  );
  const verdicts = (await reader.observations()).map(({ verdict, monitored, count }) => [
    verdict,
    monitored,
    count,
  ]);
  assert.deepEqual(verdicts, [
    ['allow', false, 2],
    ['deny', false, 1],
    ['deny', true, 1],
  ]);
  assert.equal((await reader.observations({ verdict: 'deny' })).length, 2);
  assert.equal((await reader.observations({ verdict: 'allow' })).length, 1);
});

test('with target container only containers are seen, and an id is no name', async (t) => {
  const reader = await recorded(t, [
    {},
    (recording) => {
      const id = '0123456789abcdef'.repeat(4);
      const row = { runtime: 'docker', id, name: '', image: 'nginx', imageId: '' };
      const unnamed = recording.container(row);
      const named = recording.container({ ...row, name: 'proxy' });
      const processes = [undefined, unnamed, named].map((containerId) =>
        recording.process(processRow(containerId === undefined ? {} : { containerId })),
      );
      recording.append(
        batchOf(
          processes.map((process) => ({ process })),
          recording,
        ),
      );
    },
  ]);
  const observations = await reader.observations({ target: 'container' });
  assert.deepEqual(
    observations.map(({ subject }) => [subject.container, subject.image, subject.inContainer]),
    [
      ['proxy', 'nginx', true],
      [undefined, 'nginx', true],
    ],
  );
  assert.equal((await reader.observations()).length, 3);
});

test('a process that the kernel saw in a container is in one, whether or not its runtime is known', async (t) => {
  const reader = await recorded(t, [
    {},
    (recording) => {
      const processes = [0, 1].map((flags) => recording.process(processRow({ flags, cgroupPath: '/box' })));
      recording.append(
        batchOf(
          processes.map((process) => ({ process })),
          recording,
        ),
      );
    },
  ]);
  const [seen, ...others] = await reader.observations({ target: 'container' });
  assert.equal(others.length, 0);
  assert.deepEqual(
    [seen!.subject.inContainer, seen!.subject.container, seen!.subject.cgroup],
    [true, undefined, '/box'],
  );
  const { rows } = await reader.query('SELECT in_container, container FROM connections ORDER BY 1');
  assert.deepEqual(rows, [
    [false, null],
    [true, null],
  ]);
  const exported: string[] = [];
  for await (const lines of reader.lines('csv')) exported.push(...lines);
  // A column of its own says it: there is no name that could.
  assert.deepEqual(exported.map((line) => /,(true|false),/.exec(line)?.[1]).toSorted(), ['false', 'true']);
});

test('a container inside another is told as that one, with the beginning of its own id', async (t) => {
  const reader = await recorded(t, [
    {},
    (recording) => {
      const known = { runtime: 'docker', name: 'web', image: 'nginx:1', imageId: '' };
      const parent = recording.container({ ...known, id: 'a'.repeat(64) });
      const unknown = { runtime: 'podman', id: 'b'.repeat(64), name: '', image: '', imageId: '' };
      const containerId = recording.container({ ...unknown, parent });
      recording.append(
        batchOf([{ process: recording.process(processRow({ containerId, flags: 1 })) }], recording),
      );
      recording.updateContainer(parent, { ...known, id: 'a'.repeat(64), name: 'shop' });
    },
  ]);
  const [seen] = await reader.observations();
  assert.deepEqual(
    { ...seen!.subject, cgroup: '' },
    {
      command: '',
      exe: '/usr/bin/curl',
      uid: 1000,
      gid: 1000,
      inContainer: true,
      container: 'shop',
      image: 'nginx:1',
      cgroup: '',
    },
  );
  const { rows } = await reader.query('SELECT container, inner_container FROM connections');
  assert.deepEqual(rows, [['shop', 'b'.repeat(12)]]);
  assert.deepEqual(
    (await reader.recordings()).map(({ unnamed }) => unnamed),
    [0],
  );
});

test('containers without a name are counted for each recording', async (t) => {
  const nameless = { runtime: 'docker', id: 'a'.repeat(64), name: '', image: '', imageId: '' };
  const reader = await recorded(
    t,
    [
      {},
      (recording) => {
        recording.container(nameless);
        recording.container({ ...nameless, name: 'web' });
        for (const cgroupPath of ['/box', '/box', '/other'])
          recording.process(processRow({ flags: 1, cgroupPath }));
        recording.process(processRow({ cgroupPath: '/host' }));
      },
    ],
    [{}, () => {}],
  );
  assert.deepEqual(
    (await reader.recordings()).map(({ unnamed }) => unnamed),
    [3, 0],
  );
});

test('the order of observations does not depend on the order of events', async (t) => {
  const events = Array.from({ length: 500 }, (_, index) => ({
    time: START + (index % 50),
    low: BigInt((index * 7919) % 97),
    port: index % 3,
    uid: index % 5,
  }));
  const record = (list: typeof events): Promise<Reader> =>
    recorded(t, [{}, (recording) => recording.append(batchOf(list, recording))]);
  const forwards = await record(events);
  const backwards = await record(events.toReversed());
  assert.deepEqual(await forwards.observations(), await backwards.observations());
});

test('recordings are those that overlap the window', async (t) => {
  const reader = await recorded(t, [{}, () => undefined]);
  const [only] = await reader.recordings();
  assert.equal((await reader.recordings({ since: only!.endedAt + 1 })).length, 0);
  assert.equal((await reader.recordings({ until: only!.startedAt })).length, 0);
  assert.equal((await reader.recordings({ since: only!.startedAt, until: only!.endedAt + 1 })).length, 1);
});

test('sockets that were opened are observations without a destination, whatever protocol they were for', async (t) => {
  const reader = await recorded(t, [
    {},
    (recording) => {
      const open = { family: 0, operation: Operation.open, low: 0n } as const;
      recording.append(
        batchOf(
          [
            { ...open, port: 1, protocol: 1 },
            { ...open, port: 1, protocol: 255 },
            { ...open, port: 4, protocol: 6, verdict: 1 },
            {},
          ],
          recording,
        ),
      );
    },
  ]);
  const observations = await reader.observations();
  assert.deepEqual(
    observations.map(({ socket, address, protocol, verdict, count }) => [
      socket,
      address,
      protocol,
      verdict,
      count,
    ]),
    [
      ['raw', 0n, 0, 'allow', 2],
      ['source-route', 0n, 0, 'deny', 1],
      [undefined, 0x0a000001n, 6, 'allow', 1],
    ],
  );
});
