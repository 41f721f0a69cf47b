/**
 * What the engine of a fleet costs: the evidence of 1,000 hosts in one week is merged as hubs do it, then a workload of 200
 * hosts is aggregated. Starts a PostgreSQL of its own. `--hosts 10000` for 18.4 million rows, `--hosts 2000 --workload 2000`
 * for one large workload.
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { Engine } from '../../fleet/engine/engine.ts';
import { openEngine } from '../../fleet/engine/open.ts';
import { fleetRecord } from '../../fleet/evidence/record.ts';
import type { Batch } from '../../fleet/wire/message.ts';
import { weekOf } from '../../fleet/wire/week.ts';
import { generatePolicy } from '../../generator/generate.ts';
import { printPolicy } from '../../policy/file/print.ts';
import { newHost } from '../unit/fleet/fixture/evidence.ts';
import { PLAIN } from '../unit/fleet/fixture/made-fleet.ts';
import { postgresMissing, sql, startPostgres, type TestServer } from '../unit/fleet/fixture/postgres.ts';
import { cpuOfServer } from './cpu.ts';
import { batchesOf, ROWS_OF_HOST } from './fleet/made-fleet.ts';

/** Milliseconds: Saturday 2026-11-28, 12:00 UTC. */
const NOW = Date.UTC(2026, 10, 28, 12);
/** Hosts whose batches one merge takes, and merges at the same time, as of two hubs. */
const HOSTS_OF_MERGE = 5;
const AT_ONCE = 2;
/** Hosts that report once more. */
const AGAIN = 200;
const LEAST_HOURS = 24;

/** What must hold: bytes a row, and seconds until there is a policy of so many hosts. */
const MOST_BYTES = 200;
const MOST_SECONDS = [
  { hosts: 200, seconds: 5 },
  { hosts: 2000, seconds: 30 },
];

const { values } = parseArgs({
  options: { hosts: { type: 'string', default: '1000' }, workload: { type: 'string', default: '200' } },
});
const [hosts, workloadSize] = [Number(values.hosts), Number(values.workload)];

if (postgresMissing !== false) {
  process.stdout.write(`${postgresMissing}\n`);
  process.exitCode = 1;
} else {
  const server = await startPostgres({
    shared_buffers: '256MB',
    max_wal_size: '4GB',
    autovacuum_naptime: '1min',
  });
  const engine = await openEngine([server.url]);
  try {
    process.exitCode = (await bench(server, engine)) ? 0 : 1;
  } finally {
    await engine.close();
    await server.remove();
  }
}

async function bench(server: TestServer, engine: Engine): Promise<boolean> {
  const ids = await enrol(engine);
  process.stdout.write(`${ids.length} hosts, about ${ids.length * ROWS_OF_HOST} rows\n`);
  process.stdout.write('                                   seconds   node CPU   PostgreSQL CPU\n');
  const all = ids.map((id, at) => ({ id, at }));
  await timed('the rows alone, made', server, async () => {
    for (const { at } of all) batchesOf(at, Math.floor(at / workloadSize), NOW);
  });
  const { seconds } = await timed('load, all rows new', server, () => merge(engine, all, (batch) => batch));
  const { rows, bytes, heap } = (
    await sql<{ rows: number; bytes: number; heap: number }>(
      server.url,
      `SELECT (SELECT count(*) FROM bouheki.evidence)::int AS rows, pg_total_relation_size(t)::float8 AS bytes,
         pg_relation_size(t)::float8 AS heap FROM to_regclass('bouheki.evidence_w${weekOf(NOW * 1000)}') AS t`,
    )
  )[0]!;
  const some = all.slice(0, AGAIN);
  await timed(`${AGAIN} hosts again, unchanged`, server, () => merge(engine, some, (batch) => batch));
  await timed(`${AGAIN} hosts again, a tenth changed`, server, () => merge(engine, some, changed));
  let slowest = 0;
  let found = { hosts: 0, rows: 0 };
  for (let at = 0; at < 3; at++) {
    const each = await timed(`k of n of ${workloadSize} hosts, time ${at + 1}`, server, async () => {
      found = await aggregate(engine);
    });
    slowest = Math.max(slowest, each.seconds);
  }
  const policy = await timed(`the policy of ${workloadSize} hosts`, server, () => generate(engine));
  process.stdout.write(
    [
      '',
      `rows ${rows}, merged ${Math.round(rows / seconds)} a second`,
      `bytes a row ${(bytes / rows).toFixed(0)}: table ${(heap / rows).toFixed(0)}, key ${((bytes - heap) / rows).toFixed(0)}`,
      `k of n: ${found.rows} keys of ${found.hosts} hosts, at most ${slowest.toFixed(1)} s`,
      '',
    ].join('\n'),
  );
  const most = MOST_SECONDS.find((each) => workloadSize <= each.hosts)?.seconds ?? Infinity;
  return bytes / rows <= MOST_BYTES && Math.max(slowest, policy.seconds) < most;
}

async function enrol(engine: Engine): Promise<string[]> {
  const ids: string[] = [];
  for (let workload = 0; workload * workloadSize < hosts; workload++) {
    const name = `workload-${workload}`;
    await engine.setWorkload({ name, select: { role: name }, order: workload });
    const hash = createHash('sha256').update(name).digest('hex');
    const uses = Math.min(workloadSize, hosts - workload * workloadSize);
    await engine.addToken({ hash, labels: { role: name }, uses, expires: NOW + 1 });
    for (let at = 0; at < uses; at++) ids.push((await engine.enrol(hash, newHost(`${name}-${at}`), NOW))!.id);
  }
  return ids;
}

/** Hosts report in no order of their workloads, first their first batches, then their others. */
async function merge(
  engine: Engine,
  reporting: readonly { id: string; at: number }[],
  change: (batch: Batch) => Batch,
): Promise<void> {
  const order = reporting.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  let next = 0;
  const hub = async () => {
    while (next < order.length) {
      const part = order.slice(next, (next += HOSTS_OF_MERGE));
      const batches = part.flatMap(({ id, at }) =>
        batchesOf(at, Math.floor(at / workloadSize), NOW).map((batch) => ({
          host: id,
          batch: change(batch),
        })),
      );
      await engine.merge(batches, NOW);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, hub));
}

/** The agent sends only what changed: every tenth row, seen once more. */
function changed(batch: Batch): Batch {
  const rows = batch.rows.filter((_, at) => at % 10 === 0);
  return { ...batch, rows: rows.map((row) => Object.assign(row, { count: row.count + 1 })) };
}

async function aggregate(engine: Engine): Promise<{ hosts: number; rows: number }> {
  const window = { since: 0, until: NOW * 1000, leastRecordedHours: LEAST_HOURS };
  const { hosts: all, rows } = await engine.aggregate('workload-0', window, NOW);
  let count = 0;
  for await (const part of rows) count += part.length;
  return { hosts: all.counted.length, rows: count };
}

/** What `generate --fleet` does with it, without the hub between. */
async function generate(engine: Engine): Promise<void> {
  const window = { since: 0, until: NOW * 1000, leastRecordedHours: LEAST_HOURS };
  const { hosts: all, rows } = await engine.aggregate('workload-0', window, NOW);
  const list = [];
  for await (const part of rows) for (const row of part) list.push(row);
  const record = fleetRecord(all, list, { workload: 'workload-0', minHosts: 3 });
  const { document } = generatePolicy(record, PLAIN);
  printPolicy(document);
}

async function timed(
  what: string,
  server: TestServer,
  act: () => Promise<void>,
): Promise<{ seconds: number }> {
  const [start, node, engine] = [performance.now(), process.cpuUsage(), cpuOfServer(server)];
  await act();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(node);
  const cells = [seconds, (user + system) / 1e6, cpuOfServer(server) - engine].map((value) =>
    value.toFixed(2).padStart(10),
  );
  process.stdout.write(`${what.padEnd(32)}${cells.join(' ')}\n`);
  return { seconds };
}
