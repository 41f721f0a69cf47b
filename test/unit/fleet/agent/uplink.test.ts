import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentMemory } from '../../../../fleet/agent/memory.ts';
import type { Batch, Limits } from '../../../../fleet/wire/message.ts';
import { agentHost } from '../fixture/agent-host.ts';
import { limitsOf, untilReport } from '../../../../fleet/agent/uplink.ts';
import { busy, SmallHub, until } from '../fixture/small-hub.ts';

const DAY = 86_400_000;

/** What a hub would have stored: counts by max, as an engine merges. */
function merged(batches: readonly Batch[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { rows, subjects } of batches) {
    for (const row of rows) {
      const key = `${subjects[row.subject]!.toString()} ${row.port} ${row.verdict} ${row.week}`;
      counts.set(key, Math.max(counts.get(key) ?? 0, row.count));
    }
  }
  return counts;
}

const ports = (hub: SmallHub): number[] =>
  [...new Set(hub.rows.map(({ port }) => port))].toSorted((a, b) => a - b);

test('what was recorded before goes up at the start, and what is new or denied within seconds', async (t) => {
  const [hub, host] = [await SmallHub.start(t), await agentHost(t)];
  host.add({ port: 1 }, { port: 2 }, { port: 1 });
  const directory = await hub.joined(t);
  host.start({ directory });
  await until(() => ports(hub).length === 2);
  const [window] = hub.batches.flatMap(({ windows }) => windows);
  assert.equal(window?.backend, 'lsm');
  // Known already: nothing to hurry for.
  host.add({ port: 1 });
  await sleep(500);
  const before = hub.batches.length;
  const began = performance.now();
  host.add({ port: 3 }, { port: 2, verdict: 1 });
  await until(() => ports(hub).includes(3) && hub.rows.some(({ verdict }) => verdict === 'DENY'));
  // Ten seconds where the machine has time; an hour is what it must not wait for.
  assert.ok(performance.now() - began < 60_000);
  assert.deepEqual(
    hub.batches
      .slice(before)
      .flatMap((batch) => batch.rows.map(({ port }) => port))
      .toSorted(),
    [2, 3],
  );
});

test('a hub that was away for long gets all of it, and one that takes no more is waited for', async (t) => {
  const [hub, host] = [await SmallHub.start(t), await agentHost(t)];
  const directory = await hub.joined(t);
  await hub.stop();
  host.start({ directory });
  await until(() => host.said.some((text) => text.includes('does not answer')));
  for (let port = 1; port <= 40; port += 1) host.add({ port, time: (Date.now() - 8 * DAY) * 1000 }, { port });
  hub.refusals = [busy(300), busy(300)];
  await hub.listen();
  await until(() => merged(hub.batches).size === 80, 120_000);
  assert.ok(host.said.some((text) => text.includes('is there again')));
  await until(() => new AgentMemory(directory, hub.hostId).acknowledged > 0);
});

test('an agent that is ended at any moment loses nothing', async (t) => {
  const [hub, host] = [await SmallHub.start(t), await agentHost(t)];
  const directory = await hub.joined(t);
  for (let round = 1; round <= 6; round += 1) {
    for (let port = 1; port <= 20; port += 1) host.add({ port: 100 * round + port });
    const end = host.start({ directory });
    await sleep(40 * round * round);
    await end();
  }
  host.start({ directory });
  await until(() => ports(hub).length === 120);
});

test('what is acknowledged is not sent again, but for the last hour; Resend asks for more', async (t) => {
  const [hub, host] = [await SmallHub.start(t), await agentHost(t)];
  const now = Date.now() * 1000;
  host.add({ port: 1, time: now - 3 * 3_600_000_000 }, { port: 2, time: now - 600_000_000 });
  const directory = await hub.joined(t);
  const end = host.start({ directory });
  await until(() => new AgentMemory(directory, hub.hostId).acknowledged > 0);
  await end();
  assert.deepEqual(ports(hub), [1, 2]);
  hub.batches.length = 0;
  host.start({ directory });
  await until(() => hub.batches.length > 0);
  assert.deepEqual(ports(hub), [2]);
  await until(() => hub.streams.size > 0);
  hub.send({ it: 'resend', resend: { since: Date.now() - 4 * 3_600_000, spreadSeconds: 0 } });
  await until(() => ports(hub).includes(1));
});

test('a hub that asks again and again has the record read once', async (t) => {
  const [hub, host] = [await SmallHub.start(t), await agentHost(t)];
  host.add({ port: 1 });
  host.start({ directory: await hub.joined(t) });
  await until(() => ports(hub).length === 1 && hub.streams.size > 0);
  await sleep(500);
  const before = hub.rows.length;
  for (let asked = 0; asked < 30; asked += 1) {
    hub.send({ it: 'resend', resend: { since: Date.now() - 3_600_000, spreadSeconds: 0 } });
    await sleep(50);
  }
  await until(() => hub.rows.length > before);
  await sleep(1500);
  assert.equal(hub.rows.length - before, 1);
});

test('a certificate that has expired locks nobody out', async (t) => {
  const [hub, host] = [await SmallHub.start(t), await agentHost(t)];
  const directory = await hub.joined(t, {}, DAY, Date.now() - 10 * DAY);
  host.start({ directory });
  await until(() => hub.states.length > 0);
  assert.equal(hub.renewals, 1);
});

test('a hub says how often hosts report, each at a moment of its own', async () => {
  const now = Date.UTC(2026, 10, 30);
  const hosts = Array.from({ length: 1000 }, (_, at) => `host ${at}`);
  const waits = (reportSeconds: number, spreadSeconds = 0): number[] =>
    hosts.map((host) => untilReport(host, { reportSeconds, spreadSeconds }, now) / 1000);
  for (const seconds of [600, 3600]) {
    const each = waits(seconds);
    assert.ok(Math.max(...each) <= seconds && Math.max(...each) > seconds * 0.99);
    assert.ok(Math.min(...each) > 0 && Math.min(...each) < seconds * 0.01);
  }
  assert.ok(Math.max(...waits(1)) > 59, 'no hub has hosts report every second');
  assert.ok(Math.max(...waits(3600, 1200)) > 4000);
  const some = { batchRows: 50, batchBytes: 0, policyBytes: 0, reportSeconds: 600 } satisfies Limits;
  assert.deepEqual(limitsOf(some), {
    batchRows: 50,
    batchBytes: 262_144,
    policyBytes: 1_048_576,
    reportSeconds: 600,
  });
});
