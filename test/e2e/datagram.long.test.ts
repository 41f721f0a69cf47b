/** What learn saw of UDP works under its own policy: name look-ups that probe addresses, and servers that answer. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pythonTo } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { answers, firstAddress, nameTwoAddresses, startServer } from './datagram.ts';
import { folder, startNetwork, stopNetwork, succeeded } from './guest.ts';

const place = folder();
const db = join(place, 'record.duckdb');
const policy = join(place, 'policy.yaml');

let server: ChildProcess;

function row(address: string, port: number, count: number): object {
  const how =
    port === 80 ? { protocol: 'tcp', operation: 'connect' } : { protocol: 'udp', operation: 'send' };
  return { address, port, ...how, count };
}

/** How many look-ups at this port are recorded, and in how many rows. */
async function lookUps(path: string, port: number): Promise<{ count: number; rows: number }> {
  const [found] = await query<{ count: number; rows: number }>(
    path,
    `SELECT sum(count)::INTEGER AS count, count(*)::INTEGER AS rows FROM connections
     WHERE port = ${port} AND operation = 'send' AND verdict = 'allow'`,
  );
  return found!;
}

before(async () => {
  startNetwork();
  nameTwoAddresses('10.0.1.5');
  server = await startServer();
});
after(() => {
  server.kill();
  stopNetwork();
});

test('learn records what clients ask for, and of the server nothing', async () => {
  const learn = await Running.start('learn', '--db', db);
  assert.equal(firstAddress(), 'HTTP/1.0 200 OK');
  assert.equal(answers('127.0.0.1', 5300, 300), 300);
  assert.equal(answers('::1', 5301, 3), 3);
  assert.equal(answers('10.0.0.2', 5301, 3), 3);
  const { status, stderr } = await learn.end('SIGINT');
  assert.equal(status, 0, stderr);
  const rows = await query(
    db,
    `SELECT address, port, protocol, operation, sum(count)::INTEGER AS count FROM connections
     WHERE operation <> 'intent' GROUP BY ALL ORDER BY ALL`,
  );
  assert.deepEqual(rows, [
    row('10.0.0.2', 5301, 3),
    row('10.0.1.5', 80, 1),
    row('127.0.0.1', 5300, 300),
    row('::1', 5301, 3),
  ]);
  const { count, rows: kept } = await lookUps(db, 5300);
  assert.ok(count === 300 && kept < 100, `${count} in ${kept} rows`);
  const { stdout } = succeeded(bouheki('generate', '--mode', 'block', '--db', db));
  writeFileSync(policy, stdout, { mode: 0o600 });
});

test('under that policy all of it works, and neither log nor drift has anything of it', async () => {
  const enforced = join(place, 'enforced.duckdb');
  const enforce = await Running.start('enforce', policy, '--db', enforced);
  assert.equal(firstAddress(), 'HTTP/1.0 200 OK');
  assert.equal(answers('127.0.0.1', 5300, 3), 3);
  assert.equal(answers('::1', 5301, 3), 3);
  assert.equal(answers('10.0.0.2', 5301, 3), 3);
  assert.deepEqual(enforce.log, []);
  assert.equal(
    pythonTo('udp', '10.0.1.5', 80),
    'EPERM',
    'the probe of this address and port is all that is allowed',
  );
  const { status, stderr } = await enforce.end('SIGINT');
  assert.equal(status, 0, stderr);
  assert.deepEqual(
    enforce.log.map(({ Addr, Port, Protocol }) => [Addr, Port, Protocol]),
    [['10.0.1.5', 80, 'udp']],
  );
  const drift = bouheki('drift', policy, '--json', '--db', enforced);
  const { new: unseen, denied } = JSON.parse(drift.stdout) as {
    new: unknown[];
    denied: { address: string }[];
  };
  assert.deepEqual([unseen.length, denied.map(({ address }) => address)], [0, ['10.0.1.5']]);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  test(`enforce that ends by ${signal} has all that was sent until then, by one that has ended too`, async () => {
    const enforced = join(place, `${signal}.duckdb`);
    const enforce = await Running.start('enforce', policy, '--db', enforced);
    assert.equal(answers('127.0.0.1', 5300, 300), 300);
    const { status, stderr } = await enforce.end(signal);
    assert.equal(status, 0, stderr);
    const { count, rows } = await lookUps(enforced, 5300);
    assert.ok(count === 300 && rows < 100, `${count} in ${rows} rows`);
  });
