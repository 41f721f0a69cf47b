/** The commands of a hub and of hosts that join, as they are typed, with a PostgreSQL that the hub itself starts. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { findServerPrograms } from '../../../../fleet/engine/server/program.ts';
import { parseToken, printToken } from '../../../../fleet/identity/token.ts';
import { readIdentity } from '../../../../fleet/self/identity-file.ts';
import { withHub } from '../../../../fleet/wire/client.ts';
import { freePorts, TestAgent, until } from '../../fleet/fixture/hub.ts';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const place = mkdtempSync(join(tmpdir(), 'bouheki-fleet-'));
// The user that PostgreSQL runs as passes through it.
chmodSync(place, 0o711);
const DIR = join(place, 'hub');
const DEMO = join(place, 'demo');
const AGENT = join(place, 'agent');
const options = {
  skip: findServerPrograms() === undefined ? 'no PostgreSQL is installed on this machine' : false,
};
let running: ChildProcess | undefined;
after(async () => {
  if (running?.exitCode === null) {
    running.kill('SIGTERM');
    await once(running, 'exit');
  }
  rmSync(place, { recursive: true, force: true });
});

function bouheki(...words: string[]) {
  const { status, stderr, stdout } = spawnSync(process.execPath, [MAIN, ...words], { encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
}

/** Of a call that must succeed: what it prints. */
function done(...words: string[]): string {
  const { err, out, status } = bouheki(...words);
  assert.equal(status, 0, err);
  return out;
}

test('a fleet is set up as the document says: hub, token, operator, join, leave', options, async () => {
  const [hubPort, enrollPort] = await freePorts(2);
  done(
    'hub',
    'init',
    '--dir',
    DIR,
    '--name',
    '127.0.0.1',
    '--port',
    `${hubPort}`,
    '--enroll-port',
    `${enrollPort}`,
  );
  assert.equal(statSync(join(DIR, 'ca-key.pem')).mode & 0o777, 0o600);
  const listen = ['--listen', `127.0.0.1:${hubPort}`, '--enroll-listen', `127.0.0.1:${enrollPort}`];
  const child = spawn(process.execPath, [MAIN, 'hub', 'run', '--dir', DIR, '--demo', DEMO, ...listen], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  running = child;
  let said = '';
  child.stderr!.on('data', (part: Buffer) => (said += part.toString()));
  await until(() => /The hub listens/.test(said) || child.exitCode !== null, 'hub that listens', 120_000);
  assert.equal(child.exitCode, null, said);
  const token = done('hub', 'token', '--dir', DIR, '--demo', DEMO, '--label', 'role=web');
  assert.match(token, /^bouheki-[\w-]+\n$/);
  // As a hub would look that has other authors since.
  const other = printToken({ ...parseToken(token), authors: 'ab'.repeat(32) });
  const misled = bouheki('join', '--dir', AGENT, '--token', other, '--name', 'web-1');
  assert.equal(misled.status, 2);
  assert.match(misled.err, /names other authors of policies than the token was made for/);
  assert.equal(readIdentity(AGENT), undefined);
  writeFileSync(join(place, 'token'), token);
  const joined = done('join', '--dir', AGENT, '--token-file', join(place, 'token'), '--name', 'web-1');
  const identity = readIdentity(AGENT)!;
  assert.match(joined, new RegExp(identity.hostId));
  assert.ok(!existsSync(join(AGENT, 'joining-key.pem')));
  const agent = new TestAgent(identity.hub[0]!, identity);
  assert.deepEqual((await agent.next('welcome')).labels, { role: 'web' });
  agent.close();
  const again = bouheki('join', '--dir', AGENT, '--token-file', join(place, 'token'));
  assert.deepEqual([again.status, /has joined a fleet already/.test(again.err)], [2, true]);
  const used = bouheki('join', '--dir', AGENT, '--token-file', join(place, 'token'), '--force');
  assert.deepEqual([used.status, /has no use left/.test(used.err)], [2, true]);
  assert.equal(readIdentity(AGENT)!.hostId, identity.hostId);
  const operator = join(place, 'operator');
  done('hub', 'operator', 'anna', '--dir', DIR, '--into', operator);
  const file = (name: string) => readFileSync(join(operator, name), 'utf8');
  const tls = { trust: file('trust.pem'), certificate: file('operator.pem'), key: file('operator-key.pem') };
  const hosts = async () =>
    await withHub((JSON.parse(file('config.json')) as { hub: string[] }).hub, tls, async (hub) => {
      const names: string[] = [];
      for await (const { name } of hub.stream('Admin/Hosts', { workload: '' })) names.push(name);
      return names;
    });
  assert.deepEqual(await hosts(), ['web-1']);
  done('hub', 'operator', 'anna', '--dir', DIR, '--revoke');
  await until(
    async () =>
      await hosts().then(
        () => false,
        () => true,
      ),
    'revocation',
  );
  done('leave', '--dir', AGENT);
  assert.equal(readIdentity(AGENT), undefined);
  assert.equal(bouheki('leave', '--dir', AGENT).status, 2);
  child.kill('SIGINT');
  assert.deepEqual(await once(child, 'exit'), [0, null], said);
});
