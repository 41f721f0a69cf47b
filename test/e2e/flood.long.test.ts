/** A denial by root inside a flood of denials by a user is recorded and logged, and the flood is counted in full. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { flood, FLOODS } from '../kernel/client/flood.ts';
import { pythonTo } from './attempt.ts';
import { query, Running } from './bouheki.ts';
import { folder, startNetwork, stopNetwork, USER } from './guest.ts';

/** `BOUHEKI_FLOOD=5000000` floods with as many; it takes an hour where the machine is emulated. */
const TIMES = Number(process.env.BOUHEKI_FLOOD ?? 8000);
const PROCESSES = 500;
const ADDRESS = '203.0.113.1';
const ROOTS = '203.0.113.200';
const ATTEMPTS = 20;

const place = folder();
const db = join(place, 'record.duckdb');
const policy = join(place, 'policy.yaml');
let enforce: Running;
let denied = 0;

before(async () => {
  startNetwork();
  writeFileSync(policy, 'version: 2\nnetwork:\n  mode: block\n  allow: []\n', { mode: 0o600 });
  enforce = await Running.start('enforce', policy, '--db', db);
});
after(async () => {
  await enforce.end('SIGINT');
  stopNetwork();
});

test('root is denied, recorded and logged each time while a user floods in every way there is', async () => {
  const flooding = (async () => {
    for (const how of FLOODS) {
      denied += await flood({ times: how === 'forks' ? PROCESSES : TIMES, how, uid: USER, address: ADDRESS });
    }
  })();
  for (let port = 1; port <= ATTEMPTS; port += 1) assert.equal(pythonTo('udp', ROOTS, port), 'EPERM');
  await flooding;
  assert.equal(denied, (FLOODS.length - 1) * TIMES + PROCESSES);
  for (let port = 1; port <= ATTEMPTS; port += 1) await enforce.logged({ Addr: ROOTS, Port: port, UID: 0 });
});

test('at its end each denial of the flood is in the record or a loss, and in the log', async () => {
  const { status, stderr } = await enforce.end('SIGINT');
  assert.equal(status, 0, stderr);
  const [roots] = await query<{ count: number }>(
    db,
    `SELECT sum(count)::INTEGER AS count FROM connections WHERE uid = 0 AND address = '${ROOTS}' AND verdict = 'deny'`,
  );
  assert.equal(roots!.count, ATTEMPTS);
  const [recorded] = await query<{ count: number }>(
    db,
    `SELECT sum(count)::INTEGER AS count FROM connections WHERE uid = ${USER} AND verdict = 'deny'`,
  );
  const [lost] = await query<{ count: number }>(
    db,
    `SELECT coalesce(sum(count), 0)::INTEGER AS count FROM loss WHERE kind = 'denial-share' AND uid = ${USER}`,
  );
  assert.equal(recorded!.count + lost!.count, denied);
  const logged = enforce.log.filter(({ UID }) => UID === USER).reduce((sum, { Count = 1 }) => sum + Count, 0);
  assert.equal(logged, denied);
  assert.ok(enforce.log.length < 10_000, `${enforce.log.length} lines`);
});
