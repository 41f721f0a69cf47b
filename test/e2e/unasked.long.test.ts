/** The kernel can stop asking the programs while they stay attached: it is noticed, and said wherever anybody looks. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pythonTo } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { cgroup, folder, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const DENIED = '10.0.1.1';
const CANARY = '192.0.2.1';
const place = folder();
const policy = join(place, 'policy.yaml');

before(() => {
  startNetwork();
  writeFileSync(policy, `network:\n  mode: block\n  cidr:\n    deny: [${DENIED}/32]\n`, { mode: 0o600 });
});
after(() => {
  run('sysctl', 'kernel.ftrace_enabled=1');
  stopNetwork();
});

test('ftrace switched off opens the host, which is said at once, in status and in the metrics, until it is back on', async () => {
  const db = join(place, 'ftrace.duckdb');
  const enforce = await Running.start('enforce', policy, '--db', db);
  assert.equal(pythonTo('tcp', DENIED, 80), 'EPERM');
  assert.match(succeeded(bouheki('status', '--metrics', '--db', db)).stdout, /^bouheki_kernel_asks 1$/m);

  succeeded(run('sysctl', 'kernel.ftrace_enabled=0'));
  assert.equal(pythonTo('tcp', DENIED, 80), 'reached', 'nothing in the kernel asks the programs');
  await enforce.until(
    /^WARNING: the kernel does not ask .* \(kernel\.ftrace_enabled is 0\): nothing is judged/m,
  );
  assert.match(
    succeeded(bouheki('status', '--db', db)).stdout,
    /^WARNING +the kernel does not ask the programs \(kernel\.ftrace_enabled is 0\)/m,
  );
  assert.match(succeeded(bouheki('status', '--metrics', '--db', db)).stdout, /^bouheki_kernel_asks 0$/m);

  succeeded(run('sysctl', 'kernel.ftrace_enabled=1'));
  assert.equal(pythonTo('tcp', DENIED, 80), 'EPERM');
  await enforce.until(/^The kernel asks the programs again; for at least /m);
  const { status, stdout } = await enforce.end('SIGTERM');
  assert.equal(status, 0);
  assert.doesNotMatch(stdout, new RegExp(CANARY), 'the canary is no denial of anybody');
  const rows = await query<{ n: string }>(
    db,
    `SELECT count(*)::INTEGER AS n FROM connections WHERE address = '${CANARY}'`,
  );
  assert.equal(Number(rows[0]!.n), 0, 'the canary is not in the record');
});

test('with ftrace switched off nothing starts, and the reason is named', () => {
  succeeded(run('sysctl', 'kernel.ftrace_enabled=0'));
  const { status, stderr } = bouheki('enforce', policy, '--db', join(place, 'none.duckdb'));
  succeeded(run('sysctl', 'kernel.ftrace_enabled=1'));
  assert.equal(status, 2, stderr);
  assert.match(stderr, /ftrace_enabled/);
});

test('a program that root has detached from the watched cgroup is said to be', async () => {
  const watched = cgroup('/detached');
  const enforce = await Running.start(
    'enforce',
    policy,
    '--cgroup',
    watched,
    '--db',
    join(place, 'cgroup.duckdb'),
  );
  const links = JSON.parse(succeeded(run('bpftool', '--json', 'link', 'list')).stdout) as {
    id: number;
    attach_type?: string;
  }[];
  const { id } = links.find(({ attach_type }) => /connect4|inet4_connect/.test(attach_type ?? ''))!;
  succeeded(run('bpftool', 'link', 'detach', 'id', String(id)));
  await enforce.until(/^WARNING: the kernel does not ask .* \(connect4 detached from the cgroup\)/m);
  const { status } = await enforce.end('SIGTERM');
  assert.equal(status, 0);
});
