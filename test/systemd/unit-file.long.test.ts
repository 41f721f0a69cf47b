/** The unit that comes with bouheki starts, reloads, is upgraded and watched under systemd, with little to get at. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pythonTo } from '../e2e/attempt.ts';
import { BOUHEKI, bouheki } from '../e2e/bouheki.ts';
import { programsLeft, ROOT, run, startNetwork, stopNetwork, succeeded } from '../e2e/guest.ts';
import { Hammer } from '../e2e/hammer.ts';
import { becomesReachable, DENIED, OTHER, removePins } from '../e2e/keeping.ts';

const UNITS = '/run/systemd/system';
const POLICY = '/etc/bouheki/policy.yaml';

/** How long a start may take in an emulated machine that has a part of a processor, milliseconds. */
const PATIENCE = 960_000;

function writePolicy(denied: string, text = ''): void {
  const rules = `deny: [{ to: [{ cidr: [${denied}] }] }]\n  allow: [{ to: [{}] }]\n${text}`;
  writeFileSync(POLICY, `version: 2\nnetwork:\n  mode: block\n  on_exit: keep\n  ${rules}`, { mode: 0o600 });
}

function property(name: string): string {
  return succeeded(run('systemctl', 'show', '--value', '-p', name, 'bouheki')).stdout.trim();
}

/** Waits until another process is the service, and says that its policy is in force. */
async function replaced(pid: string): Promise<void> {
  for (const deadline = performance.now() + PATIENCE; ; await sleep(200)) {
    const state = ['MainPID', 'ActiveState', 'StatusText'].map(property);
    if (state[0] !== pid && state[1] === 'active' && state[2]!.startsWith('Blocking by ')) return;
    if (performance.now() > deadline) throw new Error(`${state.join(' ')}\n${messages()}`);
  }
}

/** Where there is no journal, standard error goes to a file. */
const MESSAGES = '/run/bouheki.messages';
const messages = (): string => readFileSync(MESSAGES, 'utf8');

function writeUnit(program: string): void {
  const unit = readFileSync(join(ROOT, 'systemd/bouheki.service'), 'utf8');
  writeFileSync(join(UNITS, 'bouheki.service'), unit.replaceAll('/usr/bin/bouheki', program));
}

/** Another version, of which a process knows from its folder alone that it is another. */
function installNext(): string {
  const folder = '/run/bouheki-next';
  mkdirSync(folder);
  for (const part of ['dist/bpf', 'dist/bundle'])
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
  writeFileSync(join(folder, 'package.json'), manifest.replace(/"version": ".*"/, '"version": "99.0.0"'));
  return join(folder, 'dist/bundle/main.js');
}

before(() => {
  startNetwork();
  mkdirSync('/etc/bouheki', { recursive: true });
  writePolicy(DENIED);
  writeUnit(BOUHEKI.join(' '));
  const settings = [
    '[Service]',
    `StandardOutput=null`,
    `StandardError=append:${MESSAGES}`,
    'WatchdogSec=40s',
    '',
  ];
  mkdirSync(join(UNITS, 'bouheki.service.d'), { recursive: true });
  writeFileSync(join(UNITS, 'bouheki.service.d/test.conf'), settings.join('\n'));
  succeeded(run('systemctl', 'daemon-reload'));
});
after(() => {
  run('systemctl', 'stop', 'bouheki');
  removePins();
  stopNetwork();
});

test('it is started when its policy is in force', async () => {
  succeeded(run('systemctl', 'start', '--no-block', 'bouheki'));
  await replaced('0');
  assert.match(property('StatusText'), /^Blocking by [0-9a-f]{12}$/);
  assert.equal(pythonTo('tcp', DENIED, 80), 'EPERM');
  assert.equal(pythonTo('tcp', OTHER, 80), 'reached');
});

test('it has no more capabilities than it needs', () => {
  const status = readFileSync(`/proc/${property('MainPID')}/status`, 'utf8');
  // BPF, PERFMON, NET_ADMIN, SYS_PTRACE, DAC_READ_SEARCH, SYS_RESOURCE
  const held = [39, 38, 12, 19, 2, 24].reduce((bits, bit) => bits | (1n << BigInt(bit)), 0n);
  assert.equal(BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(status)![1]!}`), held);
  const { stdout } = run('systemd-analyze', 'security', '--no-pager', 'bouheki.service');
  const [, exposure] = /exposure level for bouheki\.service: ([\d.]+)/.exec(stdout) ?? [];
  assert.ok(Number(exposure) <= 3, stdout);
});

test('reload says that a policy is bad, and puts a good one in force', () => {
  // systemd makes a reload part of a start that still goes on, and that has read its policy.
  assert.equal(property('ActiveState'), 'active');
  writePolicy(DENIED, '  no: yes\n');
  assert.notEqual(run('systemctl', 'reload', 'bouheki').status, 0);
  assert.match(messages(), /policy\.yaml:7:3: /);
  assert.equal(pythonTo('tcp', DENIED, 80), 'EPERM');
  writePolicy(`${DENIED}, 10.0.1.3`);
  assert.equal(run('systemctl', 'reload', 'bouheki').status, 0, messages());
  assert.equal(pythonTo('tcp', '10.0.1.3', 80), 'EPERM');
});

test('an upgrade, a crash and a process that stands still leave no gap', async () => {
  const denied = new Hammer(DENIED);
  const other = new Hammer(OTHER, 100);
  try {
    let pid = property('MainPID');
    const next = installNext();
    writeUnit(`${process.execPath} ${next}`);
    // As packages do it.
    succeeded(run('systemctl', 'daemon-reload'));
    succeeded(run('systemctl', 'try-restart', '--no-block', 'bouheki'));
    await replaced(pid);
    assert.ok(readFileSync(`/proc/${property('MainPID')}/cmdline`, 'latin1').includes(`\0${next}\0`));
    pid = property('MainPID');
    process.kill(Number(pid), 'SIGKILL');
    await replaced(pid);
    pid = property('MainPID');
    process.kill(Number(pid), 'SIGSTOP');
    await replaced(pid);
    await denied.go(20);
  } finally {
    const refusals = await denied.end();
    assert.deepEqual(Object.keys(refusals), ['EPERM'], JSON.stringify(refusals));
    const answers = await other.end();
    assert.deepEqual(Object.keys(answers), ['reached'], JSON.stringify(answers));
  }
});

test('what it keeps goes on when it is stopped, until detach', () => {
  succeeded(run('systemctl', 'stop', 'bouheki'));
  assert.equal(property('ActiveState'), 'inactive');
  assert.equal(pythonTo('tcp', DENIED, 80), 'EPERM');
  assert.equal(bouheki('detach').status, 0);
  assert.ok(becomesReachable(DENIED));
  assert.deepEqual(programsLeft(), []);
});
