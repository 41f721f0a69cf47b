import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openEngine } from '../../../../fleet/engine/open.ts';
import { batchOf, enrolled, NOW, rowOf } from '../fixture/evidence.ts';
import { evidenceTable, expectedTable } from '../fixture/evidence-table.ts';
import { until } from '../fixture/hub.ts';
import { untilAcknowledged } from '../fixture/kill-server.ts';
import { postgresMissing, sql, startPostgres } from '../fixture/postgres.ts';

test(
  'a standby that is promoted lacks acknowledged rows, says so by its timeline, and has them when they are sent again',
  { skip: postgresMissing },
  async () => {
    const first = await startPostgres();
    const second = await first.standby();
    const engine = await openEngine([second.url, first.url]);
    try {
      const [host] = await enrolled(engine, ['a']);
      const merge = (port: number) =>
        engine.merge([{ host: host!.id, batch: batchOf([rowOf({ port })]) }], NOW);
      await merge(1);
      const timeline = await engine.timeline();
      const heard = { times: 0 };
      await engine.onPublished(() => heard.times++);
      assert.equal(await engine.lead(), true);

      await until(() => answers(second.url, `SELECT count(*) = 1 AS so FROM bouheki.evidence`), 'row there');
      // From here on what is acknowledged is on the primary alone.
      await sql(second.url, `ALTER SYSTEM SET primary_conninfo = ''`);
      await sql(second.url, 'SELECT pg_reload_conf()');
      await until(
        () => answers(second.url, 'SELECT count(*) = 0 AS so FROM pg_stat_wal_receiver'),
        'end of it',
      );
      await merge(2);
      await first.kill();
      await assert.rejects(merge(3), { code: 'fleet-away' });
      await second.promote();
      await untilAcknowledged(() => merge(3));

      assert.deepEqual(await evidenceTable(second.url), sent(1, 3));
      assert.notEqual(await engine.timeline(), timeline);
      for (const port of [1, 2, 3]) await merge(port);
      assert.deepEqual(await evidenceTable(second.url), sent(1, 2, 3));

      // What lives on a connection of its own is there again, and says that something may have been missed.
      await untilAcknowledged(async () => assert.equal(await engine.lead(), true));
      await until(() => heard.times > 0, 'word of what may have been missed');
    } finally {
      await engine.close();
      await first.remove();
      await second.remove();
    }
  },
);

function sent(...ports: number[]): string[] {
  return expectedTable(ports.map((port) => ({ name: 'a', batch: batchOf([rowOf({ port })]) })));
}

async function answers(url: string, question: string): Promise<boolean> {
  const rows = await sql<{ so: boolean }>(url, question).catch(() => []);
  return rows[0]?.so === true;
}
