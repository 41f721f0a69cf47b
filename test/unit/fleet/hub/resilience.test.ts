/** An engine and hubs that are killed under load lose nothing: the real command, a real engine, real TLS. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../../../../fleet/engine/engine.ts';
import { openEngine } from '../../../../fleet/engine/open.ts';
import { readHubFiles, writeHubConfig } from '../../../../fleet/hub/files.ts';
import { certificatesIn } from '../../../../fleet/identity/identity.ts';
import { digestOf } from '../../../../fleet/identity/key.ts';
import { newSecret, printToken } from '../../../../fleet/identity/token.ts';
import { HubClient } from '../../../../fleet/wire/client.ts';
import { batchOf, fullWindow, rowOf } from '../fixture/evidence.ts';
import { freePorts, joinAs, makeTestHub, removeTestHub, TestAgent, TestHub, until } from '../fixture/hub.ts';
import { postgresMissing, startPostgres, type TestServer } from '../fixture/postgres.ts';

const options = { skip: postgresMissing };
const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
let server: TestServer;
let engine: Engine;
let directory: string;

before(async () => {
  if (postgresMissing) return;
  server = await startPostgres();
  engine = await openEngine([server.url]);
  directory = await makeTestHub();
  await engine.setWorkload({ name: 'w', select: { role: 'w' }, order: 1 });
});
after(async () => {
  if (postgresMissing) return;
  await engine.close();
  await server.remove();
  removeTestHub(directory);
});

/** Hosts that report one row after the other, each again until it is acknowledged, as agents do. */
class Reporter {
  readonly #client: HubClient;
  acknowledged = 0;
  calls = 0;
  stopped = false;

  constructor(address: string, tls: Awaited<ReturnType<typeof joinAs>>['tls']) {
    this.#client = new HubClient(address, tls);
  }

  async run(): Promise<void> {
    while (!this.stopped) {
      const now = Date.now();
      const row = rowOf({ last: now * 1000, port: this.acknowledged + 1 });
      const batch = batchOf([row], { clock: now, windows: [fullWindow()] });
      try {
        this.calls++;
        const { refused, rows } = await this.#client.call('Fleet/Report', batch, { within: 3000 });
        assert.deepEqual([rows, refused], [1, []]);
        this.acknowledged++;
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'fleet-away') throw error;
        await sleep(50);
      }
    }
    this.#client.close();
  }
}

async function storedRows(): Promise<number> {
  const { rows } = await engine.aggregate(
    'w',
    { since: 0, until: (Date.now() + 60_000) * 1000, leastRecordedHours: 0 },
    Date.now(),
  );
  let count = 0;
  for await (const part of rows) {
    for (const { hosts } of part)
      for (const byte of hosts) count += byte.toString(2).replaceAll('0', '').length;
  }
  return count;
}

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
    await until(() => hub.hub.status.engineReachable, 'return of the engine', 20_000);
  }
  const before = acknowledged();
  await until(() => acknowledged() > before + 20, 'reports after it');
  for (const each of all) each.stopped = true;
  await Promise.all(running);
  assert.equal(await storedRows(), acknowledged());
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

/** `bouheki hub run`, until it listens. */
async function startHub(): Promise<ChildProcess> {
  const { config } = readHubFiles(directory);
  const words = ['hub', 'run', '--dir', directory, '--store', server.url];
  const listen = ['--listen', config.hub[0]!, '--enroll-listen', config.enroll[0]!];
  const child = spawn(process.execPath, [MAIN, ...words, ...listen], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr!.on('data', (part: Buffer) => (said += part.toString()));
  await until(() => /The hub listens/.test(said), `start: ${said}`, 20_000);
  return child;
}

test(
  'a hub that is killed and started again loses nothing, and one that is told to ends in peace',
  options,
  async () => {
    const [hubPort, enrollPort] = await freePorts(2);
    const { config } = readHubFiles(directory);
    const hub = [`127.0.0.1:${hubPort}`];
    const enroll = [`127.0.0.1:${enrollPort}`];
    writeHubConfig(directory, { ...config, hub, enroll });
    let child = await startHub();
    after(() => void child.kill('SIGKILL'));
    const { hash, secret } = newSecret();
    await engine.addToken({ hash, labels: { role: 'w' }, uses: 10, expires: Date.now() + 60_000 });
    const [authority] = certificatesIn(readHubFiles(directory).authority.certificate);
    const token = printToken({ enroll, hub, authority: digestOf(authority!), secret });
    const before = await storedRows();
    const all: Reporter[] = [];
    for (let at = 0; at < 4; at++) all.push(new Reporter(hub[0]!, (await joinAs(token, `k-${at}`)).tls));
    const running = all.map((each) => each.run());
    const acknowledged = () => all.reduce((sum, each) => sum + each.acknowledged, 0);
    for (let kills = 0; kills < 2; kills++) {
      const reached = acknowledged();
      await until(() => acknowledged() > reached + 20, 'reports', 20_000);
      child.kill('SIGKILL');
      await once(child, 'exit');
      child = await startHub();
    }
    const reached = acknowledged();
    await until(() => acknowledged() > reached + 20, 'reports after it', 20_000);
    for (const each of all) each.stopped = true;
    await Promise.all(running);
    // What was stored and not acknowledged was sent again, and is the same row.
    assert.equal((await storedRows()) - before, acknowledged());
    const { tls } = await joinAs(token, 'last');
    const agent = new TestAgent(hub[0]!, tls);
    agent.say();
    await agent.next('welcome');
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.equal(agent.all('goodbye').length, 1);
    agent.close();
  },
);
