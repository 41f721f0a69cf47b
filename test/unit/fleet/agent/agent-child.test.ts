import assert from 'node:assert/strict';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentChild } from '../../../../fleet/agent/agent-child.ts';
import { atEnd } from '../../at-end.ts';
import { agentHost } from '../fixture/agent-host.ts';
import { SmallHub, until } from '../fixture/small-hub.ts';

/** Bytes that this process has for itself, and its part of what it shares. */
function memoryOf(pid: number): number {
  const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

test('an agent that is killed at random moments loses nothing, and ends with who has started it', async (t) => {
  const [hub, host] = [await SmallHub.start(t), await agentHost(t)];
  const directory = await hub.joined(t);
  const said: string[] = [];
  const options = { db: host.db, directory, enforces: true, version: '1' };
  const child = AgentChild.start(options, (text) => said.push(text));
  atEnd(t, async () => await child.end());
  const expected = new Set<number>();
  for (let round = 1; round <= 3; round += 1) {
    for (let port = 1; port <= 20; port += 1) {
      expected.add(100 * round + port);
      host.add({ port: 100 * round + port });
    }
    await sleep(200 + Math.random() * 1500);
    const { pid } = child;
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    await until(() => child.pid !== undefined && child.pid !== pid);
  }
  const ports = (): Set<number> => new Set(hub.batches.flatMap(({ rows }) => rows.map(({ port }) => port)));
  await until(() => [...expected].every((port) => ports().has(port)), 120_000);
  assert.ok(said.every((text) => text.startsWith('Fleet: ')));
  assert.ok(said.some((text) => text.includes('ended with SIGKILL and is started again')));
  const pid = child.pid!;
  t.diagnostic(`memory of the agent: ${Math.round(memoryOf(pid) / 1e6)} MB`);
  await child.end();
  assert.equal(readdirSync('/proc').includes(String(pid)), false);
});

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
