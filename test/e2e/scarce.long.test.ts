/** Memory, descriptors or a database that are gone cost others, a reload or the record, and never the enforcement. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pythonTo } from './attempt.ts';
import { bouheki, Running } from './bouheki.ts';
import { cgroup, folder, run, startNetwork, stopNetwork, succeeded, USER } from './guest.ts';

const place = folder();
const db = join(place, 'record.duckdb');
const policy = join(place, 'policy.yaml');
let enforce: Running;

function deny(address: string): void {
  writeFileSync(policy, `network:\n  mode: block\n  cidr:\n    deny: [${address}/32]\n`);
  chmodSync(policy, 0o600);
}

before(async () => {
  startNetwork();
  deny('10.0.1.71');
  enforce = await Running.start('enforce', policy, '--db', db);
});

after(async () => {
  await enforce.end('SIGTERM');
  stopNetwork();
});

async function until(there: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!there()) {
    if (Date.now() > deadline) throw new Error(`${what}: never\n${enforce.stderr}`);
    await sleep(200);
  }
}

const CLIENT = `
import os, socket, sys, time
denied, other = 0, []
while not os.path.exists(sys.argv[1]):
    try:
        socket.create_connection(('10.0.1.71', 80), 20).close()
        other.append('reached')
    except PermissionError:
        denied += 1
    except OSError as error:
        other.append(str(error))
    time.sleep(0.01)
print(denied, *other[:5])
`;

/** A client that asks again and again for what is denied. `end` returns how often, and what else came of it. */
function client(): { end(): Promise<string> } {
  const stop = join(folder(), 'stop');
  const child = spawn('python3', ['-c', CLIENT, stop], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (part) => (text += String(part)));
  const closed = new Promise((resolve) => child.once('close', resolve));
  return {
    async end() {
      writeFileSync(stop, '');
      await closed;
      return text.trim();
    },
  };
}

const HOGS = `
import os, time
for _ in range(300):
    if os.fork() == 0:
        taken = bytearray(b'x') * (12 << 20)
        time.sleep(600)
time.sleep(600)
`;

/** 300 processes of a user that take 12 MB each, in a cgroup. */
function startHogs(directory: string): ChildProcess {
  const user = ['setpriv', '--reuid', String(USER), '--regid', String(USER), '--clear-groups'];
  const command = ['echo 0 >"$0/cgroup.procs"; exec "$@"', directory, ...user, 'python3', '-c', HOGS];
  return spawn('sh', ['-c', ...command], { stdio: 'ignore' });
}

/** A cgroup whose processes may have so many megabytes; skips the test where the guest has no such limit. */
function limited(t: TestContext, name: string, megabytes: number): string | undefined {
  run('sh', '-c', 'echo +memory >/sys/fs/cgroup/cgroup.subtree_control');
  const directory = cgroup(name);
  if (!existsSync(join(directory, 'memory.max'))) return void t.skip('no memory controller in this guest');
  writeFileSync(join(directory, 'memory.max'), `${megabytes}M`);
  if (existsSync(join(directory, 'memory.swap.max'))) writeFileSync(join(directory, 'memory.swap.max'), '0');
  return directory;
}

function killedIn(directory: string): number {
  return Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(directory, 'memory.events'), 'utf8'))![1]);
}

test('300 processes of 12 MB by a user end each other, not the enforcement', async (t) => {
  const directory = limited(t, '/crowded', 500);
  if (directory === undefined) return;
  assert.equal(readFileSync(`/proc/${enforce.pid}/oom_score_adj`, 'utf8'), '-1000\n');
  // Beside them: the kernel chooses among the processes of the cgroup that is full, and this is the largest one.
  writeFileSync(join(directory, 'cgroup.procs'), String(enforce.pid));
  const asking = client();
  const hogs = startHogs(directory);
  await until(() => killedIn(directory) >= 20, 'processes killed for want of memory');
  hogs.kill('SIGKILL');
  const others = `for p in $(grep -vx ${enforce.pid} "$0/cgroup.procs"); do kill -9 $p; done`;
  await until(() => {
    run('sh', '-c', others, directory);
    return readFileSync(join(directory, 'cgroup.procs'), 'utf8') === `${enforce.pid}\n`;
  }, 'the end of the others');
  const told = succeeded(bouheki('status', '--db', db)).stdout;
  writeFileSync('/sys/fs/cgroup/cgroup.procs', String(enforce.pid));
  assert.match(await asking.end(), /^[1-9]\d*$/, 'denied throughout');
  assert.match(
    told,
    /^Memory .* of 524\.3 MB for its cgroup, .*; never ended by the kernel when memory runs out$/m,
  );
  assert.equal(pythonTo('tcp', '10.0.1.71', 80), 'EPERM');
});

test('a reload without a descriptor left keeps the policy in force, and works when there are some again', async () => {
  const limit = (most: string): unknown =>
    succeeded(run('prlimit', '--pid', String(enforce.pid), `--nofile=${most}`));
  const before = enforce.stderr.length;
  limit('5:65536');
  deny('10.0.1.72');
  const asking = client();
  enforce.signal('SIGHUP');
  await enforce.until(/^The policy that was in force stays\.$/m, before);
  // New cgroups and programs are looked at meanwhile.
  run('sh', '-c', 'mkdir /sys/fs/cgroup/scarce && echo 0 >/sys/fs/cgroup/scarce/cgroup.procs && exec id');
  assert.equal(pythonTo('tcp', '10.0.1.72', 80), 'reached');
  await sleep(3000);
  limit('65536:65536');
  assert.match(await asking.end(), /^[1-9]\d*$/, 'denied throughout');
  enforce.signal('SIGHUP');
  await enforce.until(/^Blocking by /m, before);
  assert.equal(pythonTo('tcp', '10.0.1.72', 80), 'EPERM');
  deny('10.0.1.71');
  const again = enforce.stderr.length;
  enforce.signal('SIGHUP');
  await enforce.until(/^Blocking by /m, again);
});

test('enforce whose own cgroup has too little memory goes on blocking, and is well when it has more', async (t) => {
  const directory = limited(t, '/tight', 1000);
  if (directory === undefined) return;
  // What it takes from now on is what this cgroup pays for.
  writeFileSync(join(directory, 'cgroup.procs'), String(enforce.pid));
  writeFileSync(join(directory, 'memory.max'), '1M');
  const asking = client();
  const before = enforce.stderr.length;
  enforce.signal('SIGHUP');
  await sleep(10_000);
  assert.match(readFileSync(`/proc/${enforce.pid}/status`, 'utf8'), /^State:\s+[^ZX]/m, 'it lives');
  t.diagnostic(readFileSync(join(directory, 'memory.events'), 'utf8').replaceAll('\n', ' '));
  writeFileSync(join(directory, 'memory.max'), 'max');
  assert.match(await asking.end(), /^[1-9]\d*$/, 'denied throughout');
  await enforce.until(/^Blocking by /m, before);
  assert.equal(pythonTo('tcp', '10.0.1.71', 80), 'EPERM');
});

test('after a SIGKILL the next start says for how long nothing was enforced', async () => {
  await enforce.end('SIGKILL');
  assert.equal(pythonTo('tcp', '10.0.1.71', 80), 'reached');
  enforce = await Running.start('enforce', policy, '--db', db);
  assert.match(
    enforce.stderr,
    /^Nothing was enforced for \d+(s|m)[^:]*: enforcement was cut off at \S+Z\.$/m,
  );
  const { stdout } = succeeded(bouheki('status', '--db', db));
  assert.match(stdout, /^1 .*interrupted, then nothing enforced for \d/m);
});

test('a database that is removed while it is written is told at once, and costs no more than the record', async () => {
  rmSync(db);
  await enforce.until(
    /^bouheki: .* was removed, moved or replaced while it was written; recording stopped$/m,
  );
  await enforce.until(/^Recording has stopped; enforcement goes on, and ends with status 2\.$/m);
  assert.equal(pythonTo('tcp', '10.0.1.71', 80), 'EPERM');
  assert.equal((await enforce.end('SIGTERM')).status, 2);
});
