/** A host that starts more processes than are remembered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COUNTERS } from '../../../bpf/wire.ts';
import { AccountNames } from '../../../profiler/identity/account.ts';
import type { EventBatch } from '../../../profiler/event/batch.ts';
import { ContainerNames } from '../../../profiler/identity/container.ts';
import { CredentialTable } from '../../../profiler/identity/credential-table.ts';
import { decodeProcess } from '../../../profiler/event/decode.ts';
import { ProcessTable } from '../../../profiler/identity/process-table.ts';
import { Recorder } from '../../../profiler/record/recorder.ts';
import { discarding } from '../../../profiler/event/sink.ts';
import { FakeRing } from './fake-ring.ts';

test('when images are dropped the store learns which rows are in use, and every process is told again', () => {
  const connections = new FakeRing();
  /** What the sink was given: the processes of events, and the rows that stay in use. */
  const given: (number[] | { kept: number[] })[] = [];
  let rows = 0;
  let tellings = 0;
  const sink = {
    ...discarding(),
    process: () => (rows += 1),
    append: ({ columns, length }: EventBatch) => void given.push([...columns.process.subarray(0, length)]),
    settle: (kept: Int32Array) => void given.push({ kept: [...kept] }),
  };
  const processes = new ProcessTable(sink, new ContainerNames([]));
  const source = {
    connections: connections.ring,
    denials: new FakeRing().ring,
    counters: () => Array.from({ length: COUNTERS }, () => 0),
    takeFolds: () => true,
    tellAgain: () => void (tellings += 1),
  };
  const recorder = new Recorder(source, sink, processes, new CredentialTable(sink, new AccountNames()));
  const told = decodeProcess(connections, connections.process({ key: 1n }));
  connections.connection({ process: 1n });
  recorder.drain();
  // The second half of them drops the first.
  for (let key = 2n; key <= 131_073n; key += 1n) processes.add({ ...told, key });
  recorder.drain();
  const [before, settled] = given as [number[], { kept: number[] }];
  assert.deepEqual(before, [1], 'what was read before is appended first');
  assert.ok(!settled.kept.includes(1) && settled.kept.includes(131_073));
  assert.ok(settled.kept.length <= 131_072);
  assert.equal(tellings, 1);
  connections.process({ key: 1n });
  connections.connection({ process: 1n });
  recorder.drain();
  recorder.flush();
  assert.deepEqual(given.slice(2), [[131_074]]);
});
