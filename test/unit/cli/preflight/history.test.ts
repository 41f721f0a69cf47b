import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { checkHistory } from '../../../../cli/preflight/history.ts';
import type { ReplayOrder } from '../../../../cli/preflight/replay.ts';
import type { RecordingInfo } from '../../../../profiler/store/store.ts';
import { policyOf } from '../../generator/fixture.ts';
import type { Event } from '../../profiler/fixture.ts';
import { START } from '../../profiler/fixture.ts';
import { directoryFor, record } from '../fixture.ts';

const POLICY = policyOf(`version: 2
network:
  mode: block
  allow:
    - name: web
      from: { exe: [/usr/bin/curl] }
      to: [{ cidr: [10.0.0.1/32], port: [443], protocol: [tcp] }]
`);
const HASH = '0123456789ab';

async function orderOf(
  t: TestContext,
  events: readonly Event[],
  info: Partial<RecordingInfo> = {},
): Promise<ReplayOrder> {
  const db = await record(directoryFor(t), events, info);
  return { db, policy: POLICY, hash: HASH, since: START - 1 };
}

test('what went through and would not any more is a reason to stop, with its examples', async (t) => {
  const order = await orderOf(t, [
    {},
    { port: 8443 },
    { port: 8443 },
    { low: 0x0a000009n, port: 53, protocol: 17 },
  ]);
  const { entries, state, table, what } = await checkHistory(order, false);
  assert.equal(state, 'stop');
  assert.match(
    what,
    /^3 events of 4 recorded events .*: 2 destinations of 1 subject \(replayed in \d+\.\d s\)\.$/,
  );
  const [only] = entries as { subject: string; count: number; examples: { destination: string }[] }[];
  assert.equal(entries!.length, 1);
  assert.deepEqual(
    [only!.subject, only!.count, only!.examples.map(({ destination }) => destination)],
    ['/usr/bin/curl uid 1000', 3, ['tcp 10.0.0.1:8443', 'udp 10.0.0.9:53']],
  );
  assert.deepEqual(
    table!.rows.map(([subject, , count]) => [subject, count]),
    [
      ['/usr/bin/curl uid 1000', '2'],
      ['', '1'],
    ],
  );
});

test('what the policy allows, and what was denied already, are none', async (t) => {
  const order = await orderOf(t, [{}, { port: 8443, verdict: 1 }], { command: 'enforce', mode: 'block' });
  const { state, what } = await checkHistory(order, false);
  assert.equal(state, 'ok');
  assert.match(what, /^None of 2 recorded events /);
});

test('what a policy only noted would be blocked: it went through', async (t) => {
  const order = await orderOf(t, [{ port: 8443, verdict: 2 }], { command: 'enforce', mode: 'monitor' });
  assert.equal((await checkHistory(order, false)).state, 'stop');
});

test('a policy that has blocked is compared with what came since it began to', async (t) => {
  const blocked = await orderOf(t, [{ port: 8443 }], { command: 'enforce', mode: 'block', policyHash: HASH });
  const { since: _since, ...unbounded } = blocked;
  // The recording began now, and its events are older: they were there when the policy was put in force.
  const { state, what } = await checkHistory(unbounded, false);
  assert.equal(state, 'ok');
  assert.match(what, /when this policy began to block/);
  assert.equal((await checkHistory(blocked, false)).state, 'stop', 'the time that is named counts');
  const other = await checkHistory({ ...unbounded, hash: 'another' }, false);
  assert.doesNotMatch(other.what, /when this policy/);
});

test('only a watched cgroup is compared', async (t) => {
  const order = await orderOf(t, [{ port: 8443 }]);
  assert.equal((await checkHistory({ ...order, cgroup: '/none/such' }, false)).state, 'ok');
});

test('no record, and one without connections, are nothing to compare', async (t) => {
  const order = await orderOf(t, []);
  assert.match((await checkHistory(order, false)).what, /^The record has no connection since /);
  const none = await checkHistory({ ...order, db: join(directoryFor(t), 'none.duckdb') }, false);
  assert.deepEqual([none.state, /nothing to compare/.test(none.what)], ['ok', true]);
});

test('a replay that takes too long is ended, and that stops too', async (t) => {
  const order = await orderOf(t, [{}]);
  const began = performance.now();
  const { remedy, state, what } = await checkHistory(order, false, 0.01);
  assert.ok(performance.now() - began < 10_000);
  assert.equal(state, 'stop');
  assert.match(what, /not replayed within 0\.01 seconds/);
  assert.match(remedy!, /--since 1d/);
  const left = readdirSync(join(order.db, '..')).filter((name) => name !== 'bouheki.duckdb');
  assert.deepEqual(
    left.filter((name) => /copy|tmp/.test(name)),
    [],
  );
});

test('a record that is damaged is trouble, and is told where that is forced', async (t) => {
  const db = join(directoryFor(t), 'bad.duckdb');
  writeFileSync(db, 'this is no database\n', { mode: 0o600 });
  const order = { db, policy: POLICY, hash: HASH };
  await assert.rejects(checkHistory(order, false), /not a database, or it is damaged/);
  const { state, what } = await checkHistory(order, true);
  assert.equal(state, 'stop');
  assert.match(what, /^The record cannot be replayed: .*damaged\.$/);
});
