/** When a host reports, where that takes as long as it says. */
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { agentHost } from '../fixture/agent-host.ts';
import { SmallHub, until } from '../fixture/small-hub.ts';

test('a host that waits for its hour reports earlier where the hub says so', async (t) => {
  const [hub, host] = [await SmallHub.start(t), await agentHost(t)];
  host.add({ port: 1 });
  host.start({ directory: await hub.joined(t) });
  await until(() => hub.rows.length === 1 && hub.streams.size > 0);
  const before = hub.rows.length;
  await sleep(300);
  // A minute at the least: the last hour is sent again then.
  hub.send({ it: 'limits', limits: { batchRows: 0, batchBytes: 0, policyBytes: 0, reportSeconds: 60 } });
  await until(() => hub.rows.length > before, 90_000);
});
