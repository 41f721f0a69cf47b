/** The units that look for drift, under systemd, beside a recorder: each finding fails the service once, by its timer too. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { curl } from '../e2e/attempt.ts';
import { BOUHEKI, bouheki, Running } from '../e2e/bouheki.ts';
import { ROOT, run, startNetwork, stopNetwork, succeeded } from '../e2e/guest.ts';
import { writeUnit } from './unit.ts';

const UNITS = '/run/systemd/system';
const SERVICE = 'bouheki-drift.service';
const POLICY = '/etc/bouheki/policy.yaml';
const DB = '/var/lib/bouheki/bouheki.duckdb';
const PRINTED = '/run/drift.printed';
const TOLD = '/run/drift.told';

let recorder: Running;

function connect(address: string): void {
  succeeded(run(...curl(`http://${address}/`)));
}

function printed(): string {
  return existsSync(PRINTED) ? readFileSync(PRINTED, 'utf8') : '';
}

/** A unit of the repository, with the command of this build and a few lines more. */
function install(name: string, more: readonly string[]): void {
  const unit = readFileSync(join(ROOT, 'systemd', name), 'utf8');
  writeFileSync(join(UNITS, name), unit.replaceAll('/usr/bin/bouheki', BOUHEKI.join(' ')));
  mkdirSync(join(UNITS, `${name}.d`), { recursive: true });
  writeFileSync(join(UNITS, `${name}.d/test.conf`), `${more.join('\n')}\n`);
}

before(async () => {
  startNetwork();
  for (const directory of ['/etc/bouheki', '/var/lib/bouheki']) mkdirSync(directory, { recursive: true });
  const learn = await Running.start('learn', '--db', DB);
  connect('10.0.3.1');
  succeeded(await learn.end('SIGINT'));
  const generate = ['generate', '--db', DB, '--destinations', 'address', '--mode', 'monitor'];
  writeFileSync(POLICY, succeeded(bouheki(...generate)).stdout, { mode: 0o600 });
  recorder = await Running.start('enforce', POLICY, '--db', DB);
  writeUnit('told.service', ['Type=oneshot', `ExecStart=/usr/bin/touch ${TOLD}`]);
  const noBoot = ['[Unit]', 'DefaultDependencies=no'];
  const output = [`StandardOutput=append:${PRINTED}`, `StandardError=append:${PRINTED}`];
  install(SERVICE, [...noBoot, 'OnFailure=told.service', '[Service]', ...output]);
  const soon = ['[Timer]', 'OnCalendar=', 'OnActiveSec=1s', 'RandomizedDelaySec=0', 'Persistent=no'];
  install('bouheki-drift.timer', [...noBoot, ...soon]);
  succeeded(run('systemctl', 'daemon-reload'));
});

after(async () => {
  run('systemctl', 'stop', 'bouheki-drift.timer', SERVICE);
  await recorder.end('SIGINT');
  stopNetwork();
});

test('without drift the service succeeds', () => {
  assert.equal(run('systemctl', 'start', SERVICE).status, 0, printed());
});

test('it fails for a new destination, and OnFailure= runs', async () => {
  connect('10.0.3.2');
  assert.notEqual(run('systemctl', 'start', SERVICE).status, 0);
  assert.match(printed(), /10\.0\.3\.2:80/);
  assert.equal(succeeded(run('systemctl', 'show', '--value', '-p', 'ExecMainStatus', SERVICE)).stdout, '1\n');
  for (const deadline = performance.now() + 60_000; !existsSync(TOLD); await sleep(200))
    assert.ok(performance.now() < deadline, 'OnFailure= did not run');
});

test('what was reported does not fail it again', () => {
  const before = printed().length;
  assert.equal(run('systemctl', 'start', SERVICE).status, 0, printed());
  assert.doesNotMatch(printed().slice(before), /10\.0\.3\.2/);
});

test('the timer starts it', async () => {
  const before = printed().length;
  connect('10.0.3.3');
  succeeded(run('systemctl', 'start', 'bouheki-drift.timer'));
  for (const deadline = performance.now() + 120_000; ; await sleep(500)) {
    if (/10\.0\.3\.3:80/.test(printed().slice(before))) break;
    assert.ok(performance.now() < deadline, printed());
  }
});

test('there is little to get at in it', () => {
  const { stdout } = run('systemd-analyze', 'security', '--no-pager', SERVICE);
  const [, exposure] = /exposure level for bouheki-drift\.service: ([\d.]+)/.exec(stdout) ?? [];
  assert.ok(Number(exposure) <= 3, stdout);
});
