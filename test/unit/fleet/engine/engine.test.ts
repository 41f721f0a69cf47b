import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Engine } from '../../../../fleet/engine/engine.ts';
import { openEngine } from '../../../../fleet/engine/open.ts';
import type { AggregateRow } from '../../../../fleet/wire/message.ts';
import { batchOf, enrolled, fullWindow, NOW, rowOf } from '../fixture/evidence.ts';
import { postgresMissing, startPostgres, type TestServer } from '../fixture/postgres.ts';

const WINDOW = { since: 0, until: NOW * 1000, leastRecordedHours: 24 };

async function rowsOf(engine: Engine, workload: string): Promise<AggregateRow[]> {
  const { rows } = await engine.aggregate(workload, WINDOW, NOW);
  const all: AggregateRow[] = [];
  for await (const part of rows) all.push(...part);
  return all;
}

let server: TestServer;
let engine: Engine;

before(async () => {
  if (postgresMissing !== false) return;
  server = await startPostgres();
  engine = await openEngine([server.url]);
});

after(async () => {
  await engine?.close();
  await server?.remove();
});

test('counts the hosts of a workload that showed something', { skip: postgresMissing }, async () => {
  await engine.setWorkload({ name: 'web', select: { role: 'web' }, order: 1 });
  const hosts = await enrolled(engine, ['web-1', 'web-2', 'web-3'], { role: 'web' });
  assert.deepEqual(
    hosts.map(({ workload }) => workload),
    ['web', 'web', 'web'],
  );
  await engine.keepWeeks(8, NOW);
  const receipts = await engine.merge(
    hosts.map(({ id }, at) => ({
      host: id,
      batch: batchOf([rowOf({ names: ['a.example'] }), ...(at === 0 ? [rowOf({ port: 80 })] : [])], {
        windows: [fullWindow()],
      }),
    })),
    NOW,
  );
  assert.deepEqual(receipts, [
    { rows: 2, refused: [], pace: null },
    { rows: 1, refused: [], pace: null },
    { rows: 1, refused: [], pace: null },
  ]);
  const rows = await rowsOf(engine, 'web');
  assert.deepEqual(
    rows.map(({ port, hosts, count, names, nameHosts }) => ({
      port,
      hosts: hosts[0],
      count,
      names,
      nameHosts,
    })),
    [
      { port: 80, hosts: 1, count: 1, names: [], nameHosts: [] },
      { port: 443, hosts: 7, count: 3, names: ['a.example'], nameHosts: [3] },
    ],
  );
});

test('says on which timeline it is', { skip: postgresMissing }, async () => {
  assert.match(await engine.timeline(), /^\d+\/00000001$/);
});
