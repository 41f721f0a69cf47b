import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Engine } from '../../../../fleet/engine/engine.ts';
import { openEngine } from '../../../../fleet/engine/open.ts';
import { weekOf } from '../../../../fleet/wire/week.ts';
import { batchOf, enrolled, fullWindow, HOUR, NOW, rowOf } from '../fixture/evidence.ts';
import { evidenceTable } from '../fixture/evidence-table.ts';
import { until } from '../fixture/hub.ts';
import { postgresMissing, sql, startPostgres, type TestServer } from '../fixture/postgres.ts';

const WEEK = weekOf(NOW * 1000);

let server: TestServer;
let engines: Engine[] = [];

before(async () => {
  if (postgresMissing !== false) return;
  server = await startPostgres();
  engines = await Promise.all([openEngine([server.url]), openEngine([server.url])]);
});

after(async () => {
  await Promise.all(engines.map((engine) => engine.close()));
  await server?.remove();
});

const needsServer = { skip: postgresMissing };

/** Those who hold the lock, as the server has it. */
const HOLDERS = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND NOT pid = pg_backend_pid()`;

async function asked(): Promise<boolean[]> {
  return Promise.all(engines.map((engine) => engine.lead().catch(() => false)));
}

test('one of two leads, and where its connection is cut, never both', needsServer, async () => {
  assert.deepEqual((await asked()).toSorted(), [false, true]);
  for (let round = 0; round < 20; round++) {
    const answers = Promise.all([asked(), asked()]);
    await sql(server.url, `SELECT pg_terminate_backend(pid) FROM (${HOLDERS}) l`);
    await answers;
    // Both are asked after it, and at most one says that it leads.
    const now = await asked();
    assert.ok(now.filter(Boolean).length <= 1, `both lead in round ${round}`);
  }
  await until(async () => (await asked()).includes(true), 'leader');
  assert.deepEqual((await asked()).toSorted(), [false, true]);
});

test('a leader that closes leaves the lead to the other', needsServer, async () => {
  const [first, second] = await Promise.all([openEngine([server.url]), openEngine([server.url])]);
  await Promise.all(engines.map((engine) => engine.close()));
  engines = [];
  try {
    assert.equal(await first.lead(), true);
    assert.equal(await second.lead(), false);
    await first.close();
    await until(() => second.lead(), 'lead of the other');
  } finally {
    await second.close();
  }
});

test('a listener whose connection is cut calls back when it listens again', needsServer, async () => {
  const engine = await openEngine([server.url]);
  engines.push(engine);
  const heard = { times: 0 };
  await engine.onPublished(() => heard.times++);
  await sql(server.url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'`);
  await until(() => heard.times > 0, 'word that it listens again');
  assert.equal(heard.times, 1);
  await engine.setWorkload({ name: 'web', select: {}, order: 1 });
  await until(() => heard.times > 1, 'word of a workload');
  assert.equal(heard.times, 2);
});

test(
  'weeks are made ahead, and those that are not kept are dropped with all that only they had',
  needsServer,
  async () => {
    const [engine] = engines;
    const [host] = await enrolled(engine!, ['a']);
    const seen = [0, 3, 8].map((weeks) =>
      rowOf({
        last: NOW * 1000 - weeks * 168 * HOUR,
        names: [`${weeks}.example`],
        subject: weeks === 8 ? 1 : 0,
      }),
    );
    const subjects = [Buffer.from('{"command":"now"}'), Buffer.from('{"command":"then"}')];
    await engine!.merge(
      [
        {
          host: host!.id,
          batch: batchOf(seen, { subjects, windows: [fullWindow(), fullWindow({ week: WEEK - 8 })] }),
        },
      ],
      NOW,
    );
    assert.equal((await evidenceTable(server.url)).length, 3);
    await engine!.keepWeeks(3, NOW);
    await engine!.keepWeeks(3, NOW);
    const left = await sql<{ week: number }>(server.url, 'SELECT week FROM bouheki.evidence ORDER BY week');
    assert.deepEqual(
      left.map(({ week }) => week),
      [WEEK - 3, WEEK],
    );
    const tables = await sql<{ name: string }>(
      server.url,
      `SELECT relname AS name FROM pg_class WHERE relname ~ '^evidence_w\\d+$' ORDER BY 1`,
    );
    assert.deepEqual(
      tables.map(({ name }) => name),
      [WEEK - 3, WEEK, WEEK + 1].map((week) => `evidence_w${week}`),
    );
    const rest = await sql<{ subjects: number; names: number; windows: number }>(
      server.url,
      `SELECT (SELECT count(*)::int FROM bouheki.subject) AS subjects, (SELECT count(*)::int FROM bouheki.names) AS names,
       (SELECT count(*)::int FROM bouheki.host_week) AS windows`,
    );
    assert.deepEqual(rest, [{ subjects: 1, names: 2, windows: 2 }]);
  },
);

test('a role that owns a database, and nothing else, is enough', needsServer, async () => {
  await sql(server.url, 'CREATE ROLE hub LOGIN');
  await sql(server.url, 'CREATE DATABASE owned OWNER hub');
  const url = server.url.replace('/postgres?', '/owned?').replace('user=bouheki', 'user=hub');
  const engine = await openEngine([url]);
  try {
    assert.match(await engine.timeline(), /^\d+\/0/);
    const [host] = await enrolled(engine, ['a']);
    const receipts = await engine.merge([{ host: host!.id, batch: batchOf([rowOf()]) }], NOW);
    assert.equal(receipts[0]!.rows, 1);
    await engine.keepWeeks(8, NOW);
    assert.equal(await engine.lead(), true);
  } finally {
    await engine.close();
  }
});

test('many hubs that start at once make one schema; a newer one is refused', needsServer, async () => {
  await sql(server.url, 'CREATE DATABASE fresh');
  const url = server.url.replace('/postgres?', '/fresh?');
  const all = await Promise.all(Array.from({ length: 5 }, () => openEngine([url])));
  assert.deepEqual(await all[0]!.workloads(), []);
  await Promise.all(all.map((engine) => engine.close()));
  await sql(url, 'UPDATE bouheki.schema_version SET version = 99');
  await assert.rejects(openEngine([url]), {
    code: 'fleet',
    message: /schema of version 99, and this hub knows \d+/,
    remedy: /update bouheki/,
  });
});

test('what cannot be reached, or refuses, says so without the password', needsServer, async () => {
  await assert.rejects(
    openEngine(['postgres://u:secret@127.0.0.1:1/d']),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'fleet-away');
      return !`${error.message}${error.stack}`.includes('secret');
    },
  );
  await assert.rejects(openEngine([server.url.replace('/postgres?', '/nothing?')]), { code: 'fleet' });
  await assert.rejects(openEngine([]), { code: 'fleet-away' });
  await assert.rejects(openEngine(['postgres://[']), { code: 'fleet' });
  await assert.rejects(openEngine(['postgres://u@localhost/d?sslmode=verify-full&sslrootcert=/nothing']), {
    code: /^fleet/,
  });
});

test('weeks that are dropped while rows of theirs are merged fail no merge', needsServer, async () => {
  const [engine] = engines;
  const [host] = await enrolled(engine!, ['b']);
  const last = NOW * 1000 - 2 * 168 * HOUR;
  const state = { ended: false };
  const dropping = (async () => {
    while (!state.ended) {
      await engine!.keepWeeks(1, NOW);
      // Less often than merges try again.
      await wait(50);
    }
  })();
  const merging = Array.from({ length: 4 }, async (_, at) => {
    for (let round = 0; round < 10; round++) {
      const rows = [rowOf({ last, port: 1 + at }), rowOf({ port: 1 + at, count: 1 + round })];
      const [receipt] = await engine!.merge([{ host: host!.id, batch: batchOf(rows) }], NOW);
      assert.equal(receipt!.rows, 2);
    }
  });
  await Promise.all(merging).finally(() => (state.ended = true));
  await dropping;
  const [left] = await sql<{ rows: number }>(
    server.url,
    `SELECT count(*)::int AS rows FROM bouheki.evidence WHERE week = ${WEEK} AND count = 10`,
  );
  assert.equal(left!.rows, 4);
});
