/** A hub that is killed under load loses nothing: the real command, a real engine, real TLS. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readHubFiles, writeHubConfig } from '../../../../fleet/hub/files.ts';
import { certificatesIn } from '../../../../fleet/identity/identity.ts';
import { digestOf } from '../../../../fleet/identity/key.ts';
import { newSecret, printToken } from '../../../../fleet/identity/token.ts';
import { freePorts, joinAs, TestAgent, until } from '../fixture/hub.ts';
import { postgresMissing } from '../fixture/postgres.ts';
import { Reporter, reportingFleet, storedRows } from '../fixture/reporter.ts';

const options = { skip: postgresMissing };
const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const made = reportingFleet();

/** `bouheki hub run`, until it listens. */
async function startHub(): Promise<ChildProcess> {
  const { directory, server } = made;
  const { config } = readHubFiles(directory);
  const words = ['hub', 'run', '--dir', directory, '--store', server.url];
  const listen = ['--listen', config.hub[0]!, '--enroll-listen', config.enroll[0]!];
  const child = spawn(process.execPath, [MAIN, ...words, ...listen], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr!.on('data', (part: Buffer) => (said += part.toString()));
  await until(() => /The hub listens/.test(said), `start: ${said}`, 120_000);
  return child;
}

test(
  'a hub that is killed and started again loses nothing, and one that is told to ends in peace',
  options,
  async () => {
    const [hubPort, enrollPort] = await freePorts(2);
    const { directory, engine } = made;
    const { config } = readHubFiles(directory);
    const hub = [`127.0.0.1:${hubPort}`];
    const enroll = [`127.0.0.1:${enrollPort}`];
    writeHubConfig(directory, { ...config, hub, enroll });
    let child = await startHub();
    after(() => void child.kill('SIGKILL'));
    const { hash, secret } = newSecret();
    await engine.addToken({ hash, labels: { role: 'w' }, uses: 10, expires: Date.now() + 60_000 });
    const [authority] = certificatesIn(readHubFiles(directory).authority.certificate);
    const token = printToken({ enroll, hub, authority: digestOf(authority!), authors: digestOf(''), secret });
    const before = await storedRows(engine);
    const all: Reporter[] = [];
    for (let at = 0; at < 4; at++) all.push(new Reporter(hub[0]!, (await joinAs(token, `k-${at}`)).tls));
    const running = all.map((each) => each.run());
    const acknowledged = () => all.reduce((sum, each) => sum + each.acknowledged, 0);
    for (let kills = 0; kills < 2; kills++) {
      const reached = acknowledged();
      await until(() => acknowledged() > reached + 20, 'reports', 120_000);
      child.kill('SIGKILL');
      await once(child, 'exit');
      child = await startHub();
    }
    const reached = acknowledged();
    await until(() => acknowledged() > reached + 20, 'reports after it', 120_000);
    for (const each of all) each.stopped = true;
    await Promise.all(running);
    // What was stored and not acknowledged was sent again, and is the same row.
    assert.equal((await storedRows(engine)) - before, acknowledged());
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
