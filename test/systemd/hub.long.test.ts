/** The units of a fleet: the hub, as a user of its own, and a host that has joined. */
import assert from 'node:assert/strict';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type LocalServer,
  makeCluster,
  serverUser,
  startCluster,
} from '../../fleet/engine/server/local-server.ts';
import { findServerPrograms } from '../../fleet/engine/server/program.ts';
import { bouheki } from '../e2e/bouheki.ts';
import { type Ended, ROOT, run, succeeded } from '../e2e/guest.ts';

const UNITS = '/run/systemd/system';
/** Where a user that is not root can run it: this checkout may be in a home. */
const PLACE = '/opt/bouheki';
const PROGRAM = `${process.execPath} ${PLACE}/dist/bundle/main.js`;
const HUB = '/var/lib/bouheki-hub';
const FLEET = '/var/lib/bouheki/fleet';
const MESSAGES = '/run/bouheki.messages';
/** An emulated machine takes its time. Milliseconds. */
const PATIENCE = 240_000;

const programs = findServerPrograms();
const skip = programs === undefined && 'no PostgreSQL is installed on this machine';
let engine: LocalServer | undefined;

function property(name: string, unit = 'bouheki-hub'): string {
  return succeeded(run('systemctl', 'show', '--value', '-p', name, unit)).stdout.trim();
}

const messages = (): string => (existsSync(MESSAGES) ? readFileSync(MESSAGES, 'utf8') : '');

async function until(what: string, reached: () => boolean): Promise<void> {
  for (const deadline = performance.now() + PATIENCE; !reached(); await sleep(500)) {
    if (performance.now() > deadline) throw new Error(`no ${what}\n${messages()}`);
  }
}

/** Waits until another process than this one is the service, and serves. */
async function replaced(pid: string): Promise<void> {
  // What the one before said of itself stays until the next one says something.
  await until('other hub', () => property('MainPID') !== pid && property('ActiveState') === 'active');
  assert.match(property('StatusText'), /^Serving /);
}

function refuses(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(false)).once('error', () => resolve(true));
    socket.once('connect', () => socket.destroy());
  });
}

/** A unit of the repository with the program of this build, without what systemd starts at boot. */
function install(name: string, more: readonly string[]): void {
  const unit = readFileSync(join(ROOT, 'systemd', name), 'utf8');
  writeFileSync(join(UNITS, name), unit.replaceAll('/usr/bin/bouheki', PROGRAM));
  mkdirSync(join(UNITS, `${name}.d`), { recursive: true });
  const output = [`StandardOutput=append:${MESSAGES}`, `StandardError=append:${MESSAGES}`];
  const lines = ['[Unit]', 'DefaultDependencies=no', '[Service]', ...output, ...more, ''];
  writeFileSync(join(UNITS, `${name}.d/test.conf`), lines.join('\n'));
}

function installProgram(): void {
  for (const path of [
    'package.json',
    'dist/bundle',
    'dist/bpf',
    'dist/fleet/wire/fleet.proto',
    'dist/profiler/identity/runtime/proto',
    'node_modules/koffi',
    'node_modules/@koromix',
    'node_modules/@duckdb',
    'node_modules/detect-libc',
  ])
    cpSync(join(ROOT, path), join(PLACE, path), { recursive: true });
}

async function startEngine(): Promise<void> {
  const directory = '/var/lib/engine';
  const user = serverUser();
  await makeCluster(programs!, directory, user);
  engine = await startCluster(programs!, directory, user, { listen_addresses: '127.0.0.1' });
}

function hub(...words: string[]): Ended {
  return succeeded(bouheki('hub', ...words, '--dir', HUB));
}

before(async () => {
  if (skip !== false) return;
  installProgram();
  await startEngine();
  mkdirSync('/etc/bouheki', { recursive: true });
  hub('init', '--name', '127.0.0.1');
  const author = succeeded(bouheki('fleet', 'author-key', '/run/author.key')).stdout;
  writeFileSync(join(HUB, 'authors/author.pem'), author);
  const store = 'HUB=--store postgres://bouheki@127.0.0.1:5432/postgres\n';
  writeFileSync('/etc/bouheki/hub.env', store, { mode: 0o600 });
  install('bouheki-hub.service', ['WatchdogSec=20s']);
  install('bouheki-fleet.service', []);
  succeeded(run('systemctl', 'daemon-reload'));
});
after(async () => {
  if (skip !== false) return;
  run('systemctl', 'stop', 'bouheki-fleet', 'bouheki-hub');
  await engine?.stop();
});

test(
  'it is started when it serves, as a user without rights whose files those of the hub are',
  { skip },
  () => {
    const { status, stderr } = run('systemctl', 'start', 'bouheki-hub');
    assert.equal(status, 0, stderr + messages());
    assert.equal(property('StatusText'), 'Serving 0 agents');
    const facts = readFileSync(`/proc/${property('MainPID')}/status`, 'utf8');
    const uid = Number(/^Uid:\s+(\d+)/m.exec(facts)![1]);
    assert.ok(uid >= 61_184 && uid <= 65_519, `${uid}`);
    assert.equal(/^CapEff:\s*(\w+)$/m.exec(facts)![1], '0000000000000000');
    for (const name of ['ca-key.pem', 'config.json', 'authors'])
      assert.equal(statSync(join(HUB, name)).uid, uid);
    const { stdout } = run('systemd-analyze', 'security', '--no-pager', 'bouheki-hub.service');
    const [, exposure] = /exposure level for bouheki-hub\.service: ([\d.]+)/.exec(stdout) ?? [];
    assert.ok(Number(exposure) <= 2, stdout);
  },
);

test('what root changes in its files it can read, also after a restart', { skip }, async () => {
  hub('operator', 'anna', '--into', '/run/operator');
  hub('operator', 'eve', '--revoke');
  assert.equal(statSync(join(HUB, 'config.json')).uid, statSync(HUB).uid);
  const pid = property('MainPID');
  succeeded(run('systemctl', 'restart', 'bouheki-hub'));
  await replaced(pid);
  assert.equal(bouheki('fleet', 'hosts', '--operator', '/run/operator').status, 0, messages());
});

test('one that is killed or stands still is started again', { skip }, async () => {
  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    const pid = property('MainPID');
    process.kill(Number(pid), signal);
    await replaced(pid);
  }
});

test(
  'a host that has joined reports to it by its unit, and takes no policy of its own',
  { skip },
  async () => {
    const token = hub('token', '--store', 'postgres://bouheki@127.0.0.1:5432/postgres').stdout;
    writeFileSync('/run/token', token, { mode: 0o600 });
    succeeded(bouheki('join', '--token-file', '/run/token', '--dir', FLEET));
    const { status, stderr } = run('systemctl', 'start', '--no-block', 'bouheki-fleet');
    assert.equal(status, 0, stderr);
    await until('agent at the hub', () => property('StatusText') === 'Serving 1 agent');
    assert.equal(property('ActiveState', 'bouheki-fleet'), 'active');
    succeeded(run('systemctl', 'stop', 'bouheki-fleet'));
    chmodSync('/etc/bouheki', 0o755);
    writeFileSync('/etc/bouheki/policy.yaml', 'version: 2\nnetwork: { mode: monitor }\n', { mode: 0o600 });
    run('systemctl', 'start', 'bouheki-fleet');
    assert.equal(property('ConditionResult', 'bouheki-fleet'), 'no');
  },
);

test('without its engine it waits, and serves when that is there', { skip }, async () => {
  succeeded(run('systemctl', 'stop', 'bouheki-hub'));
  await engine!.stop();
  succeeded(run('systemctl', 'start', '--no-block', 'bouheki-hub'));
  const before = messages().length;
  await until('message', () => messages().slice(before).includes('Waiting for the engine: '));
  assert.equal(property('ActiveState'), 'activating');
  await startEngine();
  await replaced('0');
});

test('stopped, it has ended well, and nothing listens', { skip }, async () => {
  succeeded(run('systemctl', 'stop', 'bouheki-hub'));
  assert.equal(property('ActiveState'), 'inactive');
  assert.equal(property('Result'), 'success');
  assert.equal(await refuses(8443), true);
});
