/** `run`: one command in a cgroup of its own, learnt and then held to what it needed. */
import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, chownSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { curl, pythonTo } from './attempt.ts';
import { BOUHEKI } from './bouheki.ts';
import { cgroup, folder, inCgroup, programsLeft, run, startNetwork, stopNetwork, USER } from './guest.ts';

const place = folder();
const policy = join(place, 'egress.yaml');
const SUDO = ['env', `SUDO_UID=${USER}`, 'SUDO_USER=somebody'] as const;

const DELEGATED = '/sys/fs/cgroup/delegated';

function fetch(address: string): string {
  return curl(`http://${address}/`).join(' ');
}

function cgroupsLeft(): string[] {
  return readdirSync('/sys/fs/cgroup').filter((name) => name.startsWith('bouheki-run-'));
}

before(() => {
  startNetwork();
  chmodSync(place, 0o755);
  if (run('getent', 'passwd', String(USER)).status !== 0)
    appendFileSync('/etc/passwd', `ada:x:${USER}:${USER}::/:/bin/sh\n`);
});
after(stopNetwork);

test('what a command connects to becomes the policy that it needs; its status and its output are its own', () => {
  const script = `${fetch('10.0.1.1')} >/dev/null; id -u; id -G; exit 7`;
  const command = [...SUDO, ...BOUHEKI, 'run', '--learn', policy, '--', 'sh', '-c', script];
  const { status, stderr, stdout } = run(...command);
  assert.equal(status, 7, stderr);
  assert.equal(stdout, `${USER}\n${USER}\n`);
  assert.match(stderr, /^1 connection to 1 destination\.\n/m);
  assert.match(readFileSync(policy, 'utf8'), /cidr: \[10\.0\.1\.1\], port: \[80\], protocol: \[tcp\]/);
  assert.equal(statSync(policy).uid, USER);
});

test('held to it, it and what it leaves behind reach nothing else, and the rest of the host does', () => {
  const summary = join(place, 'summary.md');
  const options = ['--policy', policy, '--summary', summary, '--fail-on-denied'];
  // As a desktop has it, where the cgroups of a session belong to its user.
  const [from, other] = [cgroup('/delegated/from'), cgroup('/delegated/other')];
  for (const each of [DELEGATED, from, other]) chownSync(join(each, 'cgroup.procs'), USER, USER);
  const leave = `(echo 0 >${other}/cgroup.procs) 2>/dev/null`;
  const script = `${leave}; ${fetch('10.0.1.1')} && ! ${fetch('10.0.1.2')} && (sleep 300 &)`;
  const command = [...SUDO, ...BOUHEKI, 'run', ...options, '--', 'sh', '-c', script];
  const { status, stderr } = inCgroup(from, ...command);
  assert.equal(status, 1, stderr);
  assert.match(stderr, /^Ended 1 process that the command had left behind\.$/m);
  assert.match(stderr, /^denied +\/usr\/bin\/curl +10\.0\.1\.2:80\/tcp +1$/m);
  assert.match(
    readFileSync(summary, 'utf8'),
    /^\| denied \| \/usr\/bin\/curl \| 10\.0\.1\.2:80\/tcp \| 1 \|$/m,
  );
  assert.equal(pythonTo('tcp', '10.0.1.2', 80), 'reached');
  assert.deepEqual([cgroupsLeft(), programsLeft()], [[], []]);
});
