import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentChild } from '../../../../fleet/agent/agent-child.ts';
import { agentHost } from '../fixture/agent-host.ts';
import { SmallHub, until } from '../fixture/small-hub.ts';

const KILLS = 100;
/** A start takes about a second: some kills are before anything was sent, some in the middle. Milliseconds. */
const MOST = 2500;
/** A port that each round connects to again. */
const USUAL = 7;

test('an agent killed at 100 moments loses nothing and doubles nothing', async (t) => {
  const [hub, host] = [await SmallHub.start(t), await agentHost(t)];
  const directory = await hub.joined(t);
  const options = { db: host.db, directory, enforces: true, version: '1' };
  let among = 0;
  for (let round = 1; round <= KILLS; round++) {
    const before = hub.batches.length;
    const child = AgentChild.start(options, () => undefined);
    host.add({ port: USUAL }, { port: 100 + round });
    await sleep(Math.random() * MOST);
    host.add({ port: USUAL });
    if (hub.batches.length > before) among++;
    process.kill(child.pid!, 'SIGKILL');
    await child.end();
  }
  host.start({ directory });
  // As an engine merges: counts by the greatest.
  const counts = (): Map<number, number> => {
    const merged = new Map<number, number>();
    for (const { count, port } of hub.batches.flatMap(({ rows }) => rows))
      merged.set(port, Math.max(count, merged.get(port) ?? 0));
    return merged;
  };
  await until(() => counts().size === KILLS + 1 && counts().get(USUAL) === 2 * KILLS, 120_000);
  const others = [...counts()].filter(([port]) => port !== USUAL);
  t.diagnostic(`${hub.batches.length} batches; ${among} of ${KILLS} kills after one was sent`);
  assert.ok(among > 0, 'no kill was among reports');
  assert.ok(others.every(([, count]) => count === 1));
});
