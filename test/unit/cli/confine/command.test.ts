import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findUser, runToEnd, userFor } from '../../../../cli/confine/command.ts';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const PASSWD = 'root:x:0:0:root:/root:/bin/bash\nada:x:1000:1001:Ada,,,:/home/ada:/bin/sh\n';

async function statusOf(...command: string[]): Promise<number> {
  return await runToEnd(command, undefined, (work) => work());
}

test('the status of a command is passed on', async () => {
  assert.equal(await statusOf('true'), 0);
  assert.equal(await statusOf('sh', '-c', 'exit 7'), 7);
});

test('a command that a signal ends has the status that shells give it', async () => {
  assert.equal(await statusOf('sh', '-c', 'kill -KILL $$'), 137);
});

test('a command that is not there is 127, one that is no program 126', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'bouheki-command-')), 'text');
  writeFileSync(file, 'no program\n', { mode: 0o644 });
  assert.equal(await statusOf('/nonexistent/program'), 127);
  assert.equal(await statusOf(file), 126);
});

test('a signal to end is the command’s to answer', async () => {
  assert.equal(await statusOf('sh', '-c', 'kill -TERM $PPID; exec sleep 60'), 143);
});

test('users are found by name and by number', () => {
  const ada = { name: 'ada', uid: 1000, gid: 1001, home: '/home/ada' };
  assert.deepEqual(findUser('ada', PASSWD), ada);
  assert.deepEqual(findUser('1000', PASSWD), ada);
  assert.throws(() => findUser('eve', PASSWD), { code: 'usage', message: /no user eve/ });
});

test('nobody is changed to where nobody called sudo, or root did', { skip: notRoot() }, () => {
  assert.equal(userFor(undefined, {}), undefined);
  assert.equal(userFor(undefined, { SUDO_UID: '0' }), undefined);
  assert.equal(userFor('root', { SUDO_UID: '1' }), undefined);
  assert.equal(userFor(undefined, { SUDO_UID: '1' })?.uid, 1);
});

test('options that contradict, and a policy that is there, end it before anything is begun', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bouheki-command-'));
  const [policy, made] = [join(folder, 'policy.yaml'), join(folder, 'made')];
  writeFileSync(policy, '');
  for (const [options, said] of [
    [
      ['--learn', policy],
      /^bouheki: .*policy\.yaml is there already\n {2}Hold the command to it with --policy /,
    ],
    [['--learn', made, '--policy', policy], /^bouheki: --learn and --policy do not go together\n/],
    [['--policy', join(folder, 'none.yaml')], /^bouheki: cannot read the policy /],
    [['--user', 'nobody-of-this-name'], /^bouheki: there is no user nobody-of-this-name/],
  ] as const) {
    const args = [MAIN, 'run', ...options, '--', 'touch', made];
    const { status, stderr, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.match(stderr, said);
    assert.deepEqual([status, stdout, existsSync(made)], [125, '', false]);
  }
});

function notRoot(): string | false {
  return process.geteuid!() === 0 ? false : 'only root can change to another user';
}
