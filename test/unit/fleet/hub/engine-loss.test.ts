/** An engine that is killed under load, or fails over, loses nothing: real servers, real TLS. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openEngine } from '../../../../fleet/engine/open.ts';
import { batchOf } from '../fixture/evidence.ts';
import { joinAs, TestAgent, TestHub, until } from '../fixture/hub.ts';
import { postgresMissing } from '../fixture/postgres.ts';
import { Reporter, reportingFleet, storedRows } from '../fixture/reporter.ts';

const options = { skip: postgresMissing };
const made = reportingFleet();

async function reporters(hub: TestHub, count: number): Promise<Reporter[]> {
  const token = await hub.token({ role: 'w' });
  const made: Reporter[] = [];
  for (let at = 0; at < count; at++) {
    const { tls } = await joinAs(token, `w-${Math.random()}`);
    made.push(new Reporter(hub.address, tls));
  }
  return made;
}

test('an engine that is killed under load loses no row that was acknowledged', options, async () => {
  const { directory, engine, server } = made;
  const said: string[] = [];
  const hub = await TestHub.start(engine, directory, { say: (text) => said.push(text) });
  const all = await reporters(hub, 6);
  const idle = await joinAs(await hub.token({ role: 'w' }), 'idle');
  const agent = new TestAgent(hub.address, idle.tls);
  agent.say();
  await agent.next('welcome');
  const running = all.map((each) => each.run());
  const acknowledged = () => all.reduce((sum, each) => sum + each.acknowledged, 0);
  for (let kills = 0; kills < 2; kills++) {
    const before = acknowledged();
    await until(() => acknowledged() > before + 20, 'reports');
    await server.kill();
    await until(() => !hub.hub.status.engineReachable, 'loss of the engine');
    const { rows } = await agent.client.call('Fleet/Report', batchOf([]), { within: 4000 });
    assert.equal(rows, 0);
    await server.start();
    await until(() => hub.hub.status.engineReachable, 'return of the engine', 120_000);
  }
  const before = acknowledged();
  await until(() => acknowledged() > before + 20, 'reports after it');
  for (const each of all) each.stopped = true;
  await Promise.all(running);
  assert.equal(await storedRows(engine), acknowledged());
  assert.ok(
    said.some((text) => /does not answer/.test(text)) && said.some((text) => /answers again/.test(text)),
  );
  // The stream was not ended by it.
  assert.equal(agent.end, undefined);
  agent.close();
  assert.equal(hub.hub.status.faults, 0, said.join(''));
  await hub.hub.stop();
});

test('after a fail-over agents send again what may be lost', options, async () => {
  const { directory, server } = made;
  const standby = await server.standby();
  const both = await openEngine([server.url, standby.url]);
  const hub = await TestHub.start(both, directory);
  const { tls } = await joinAs(await hub.token({ role: 'w' }), 'before');
  const agent = new TestAgent(hub.address, tls);
  agent.say();
  const { timeline } = await agent.next('welcome');
  await server.kill();
  await standby.promote();
  const asked = Date.now();
  const { since, spreadSeconds } = await agent.next('resend');
  assert.ok(Math.abs(asked - since - 3_600_000) < 60_000 && spreadSeconds > 0);
  const again = new TestAgent(hub.address, tls);
  assert.notEqual((await again.next('welcome')).timeline, timeline);
  for (const each of [agent, again]) each.close();
  await hub.hub.stop();
  await both.close();
  await standby.remove();
  await server.start();
});
