import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LiveEvidence } from '../../../../fleet/agent/live.ts';
import { agentHost } from '../fixture/agent-host.ts';
import { until } from '../fixture/small-hub.ts';

test('while a hub is slow one table fills up, instead of ever more that wait', async (t) => {
  const host = await agentHost(t);
  const stop = new AbortController();
  const sent: number[][] = [];
  const slow = new AbortController();
  const live = new LiveEvidence({
    db: host.db,
    signal: stop.signal,
    host: () => ({ nameOf: () => undefined, own: new Set() }),
    revisionAt: () => 1,
    send: async (rows) => {
      sent.push(rows.map(({ port }) => port));
      await sleep(60_000, undefined, { signal: slow.signal }).catch(() => undefined);
    },
    self: () => undefined,
  });
  const ran = live.run();
  await sleep(300);
  host.add({ port: 1, verdict: 1 });
  await until(() => sent.length === 1);
  host.add({ port: 2, verdict: 1 });
  await sleep(5500);
  host.add({ port: 3, verdict: 1 });
  await sleep(300);
  slow.abort();
  await until(() => sent.length === 2);
  assert.deepEqual(sent, [[1], [2, 3]]);
  stop.abort();
  await ran;
});
