import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AgentChild } from '../../../../fleet/agent/agent-child.ts';
import { NOTHING, readStatus } from '../../../../fleet/agent/told-status.ts';
import { atEnd } from '../../at-end.ts';
import { agentHost } from '../fixture/agent-host.ts';
import { killedAgent } from '../fixture/killed-agent.ts';
import { SmallHub, until } from '../fixture/small-hub.ts';

test('an agent that is killed at random moments loses nothing, and ends with who has started it', (t) =>
  killedAgent(t, 4));

test('an agent without an identity says so, and is tried again', async (t) => {
  const [hub, host] = [await SmallHub.start(t), await agentHost(t)];
  const directory = await hub.joined(t);
  rmSync(join(directory, 'identity.json'));
  const said: string[] = [];
  const options = { db: host.db, directory, enforces: false, version: '1' };
  const child = AgentChild.start(options, (text) => said.push(text));
  atEnd(t, async () => await child.end());
  await until(() => said.length > 1);
  assert.match(said[0]!, /ended with status 1 and is started again: Error: there is no identity in /);
});

test('how the host stands with its fleet is told to who has started the agent', async (t) => {
  const [hub, host] = [await SmallHub.start(t), await agentHost(t)];
  const directory = await hub.joined(t);
  host.add({ port: 1 });
  const options = { db: host.db, directory, enforces: false, version: '1' };
  const said: string[] = [];
  const child = AgentChild.start(options, (text) => said.push(text));
  atEnd(t, async () => await child.end());
  assert.deepEqual({ ...child.status }, NOTHING);
  await until(() => child.status.connected && child.status.acknowledged > 0, 120_000);
  const { certificateEnds, hub: spoken, unsentRows } = child.status;
  assert.match(spoken, /^127\.0\.0\.1:\d+$/);
  assert.equal(unsentRows, 0);
  assert.ok(certificateEnds > Date.now() * 1000);
  const { pid } = child;
  process.kill(pid!, 'SIGKILL');
  await until(() => !child.status.connected);
  await until(() => child.pid !== undefined && child.pid !== pid && child.status.connected);
  assert.match(said[0]!, /^Fleet: the agent ended with SIGKILL and is started again/);
  await child.end();
  assert.equal(child.status.connected, false);
});

test('what is no word about a fleet is not told on', () => {
  const policy = { workload: 'web', revision: 1, mode: 'block', stale: false };
  const word = { ...NOTHING, connected: true, hub: 'h'.repeat(1000), policy };
  assert.deepEqual(readStatus(word), { ...word, hub: 'h'.repeat(255) });
  for (const change of [{ unsentRows: -1 }, { acknowledged: 1e300 }, { hub: 7 }, { connected: 'yes' }]) {
    assert.equal(readStatus({ ...word, ...change }), undefined);
  }
  for (const workload of ['a"}\n', '', 'x'.repeat(64), 7]) {
    assert.equal(readStatus({ ...word, policy: { ...policy, workload } })?.policy, undefined);
  }
  for (const nothing of [undefined, null, 'x', []]) assert.equal(readStatus(nothing), undefined);
});
