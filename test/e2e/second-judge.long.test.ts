/** `enforce` on a kernel that can leave out its programs: it says so, and two judges are as one for all that is sent. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { ping, policyAgainst, pythonTo } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { folder, loadedPrograms, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const MODES = '/sys/kernel/debug/sched/preempt';
const DENIED = '203.0.113.7';
const place = folder();
const db = join(place, 'record.duckdb');
const policy = join(place, 'policy.yaml');
const POLICY = policyAgainst(DENIED);

/** With the backend whose programs this kernel can leave out. */
async function start(...options: string[]): Promise<Running> {
  return await Running.start('enforce', policy, '--db', db, '--backend', 'fmod_ret', ...options);
}

suite('enforce where the kernel preempts tasks inside of programs', () => {
  let enforce: Running;
  let mode: string;

  before(async () => {
    spawnSync('mount', ['-t', 'debugfs', 'debugfs', '/sys/kernel/debug']);
    mode = /\((\w+)\)/.exec(readFileSync(MODES, 'utf8'))![1]!;
    writeFileSync(MODES, 'full');
    writeFileSync(policy, POLICY, { mode: 0o600 });
    startNetwork();
    enforce = await start();
  });
  after(() => {
    stopNetwork();
    writeFileSync(MODES, mode);
  });

  test('says at its start and in status that there is a second judge', async () => {
    await enforce.until(
      /^This kernel can leave out programs of a task that another one preempts: a second judge on the root cgroup judges what they did not\.$/m,
    );
    const { recorder } = JSON.parse(succeeded(bouheki('status', '--db', db, '--json')).stdout) as {
      recorder: { watch: { backend: string; secondJudge: boolean } };
    };
    assert.equal(recorder.watch.backend, 'fmod_ret');
    assert.equal(recorder.watch.secondJudge, true);
  });

  test('lets through what is allowed, and has one event of all that is tried', async () => {
    assert.equal(pythonTo('tcp', '10.0.1.1', 80), 'reached');
    assert.equal(pythonTo('udp', '10.0.1.2', 514), 'reached');
    assert.equal(run(...ping('10.0.1.3')).stdout, 'reached\n');
    assert.equal(pythonTo('tcp', DENIED, 80), 'EPERM');
    assert.equal(pythonTo('udp', DENIED, 514), 'EPERM');
    const { status, stderr } = await enforce.end('SIGINT');
    assert.equal(status, 0, stderr);
    const rows = await query(
      db,
      `SELECT verdict, operation, socket, address, protocol, sum(count)::INT AS times FROM connections
       WHERE command = 'python3' GROUP BY ALL ORDER BY ALL`,
    );
    const allowed = { verdict: 'allow', socket: null, times: 1 };
    assert.deepEqual(rows, [
      { ...allowed, operation: 'connect', address: '10.0.1.1', protocol: 'tcp' },
      // The socket, and its option for headers of its own.
      { ...allowed, operation: 'open', socket: 'raw', address: null, protocol: 'icmp', times: 2 },
      { ...allowed, operation: 'send', address: '10.0.1.2', protocol: 'udp' },
      { ...allowed, operation: 'send', address: '10.0.1.3', protocol: 'icmp' },
      { ...allowed, verdict: 'deny', operation: 'connect', address: DENIED, protocol: 'tcp' },
      { ...allowed, verdict: 'deny', operation: 'send', address: DENIED, protocol: 'udp' },
    ]);
  });

  test('loads none where nothing can be blocked', async () => {
    const monitor = await start('--mode', 'monitor');
    try {
      const programs = loadedPrograms();
      assert(programs.includes('socket_connect'), programs.join());
      assert.deepEqual(
        programs.filter((name) => name.startsWith('second_')),
        [],
      );
    } finally {
      await monitor.end('SIGINT');
    }
  });
});
