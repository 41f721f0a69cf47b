/** Whatever ends a process, or a start, what is kept goes on. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pythonTo } from './attempt.ts';
import { bouheki, Running } from './bouheki.ts';
import { cgroup, loadedPrograms, programsLeft, run, startNetwork, stopNetwork } from './guest.ts';
import { Hammer } from './hammer.ts';
import {
  becomesReachable,
  BPFFS,
  db,
  DENIED,
  KEEP,
  OTHER,
  pinned,
  policyFile,
  removePins,
} from './keeping.ts';

const NOTHING = policyFile('nothing.yaml', '  on_exit: keep\n  allow: []\n');

let enforce: Running | undefined;

async function start(file = KEEP, ...options: string[]): Promise<Running> {
  // Known before it is waited for: one that is late must not meet the next test.
  enforce = Running.begin('enforce', file, ...options, '--db', db, '--no-preflight');
  await enforce.until(/^Blocking by /m);
  return enforce;
}

before(startNetwork);
afterEach(async () => {
  await enforce?.end('SIGKILL');
  removePins();
  assert.deepEqual(programsLeft(), []);
});
after(stopNetwork);

/** How many seconds after a moment the attempts reach something that they did not reach before. */
async function reachedAgain(hammer: Hammer, since: number): Promise<number> {
  const before = hammer.results.reached ?? 0;
  for (const deadline = since + 240_000; (hammer.results.reached ?? 0) === before; await sleep(20))
    if (performance.now() > deadline) throw new Error('nothing is reached');
  return (performance.now() - since) / 1000;
}

test('starts that are killed halfway leave what was kept, and nothing of their own', async () => {
  await start();
  const hammer = new Hammer(DENIED, 50);
  try {
    await enforce!.end('SIGKILL');
    const programs = loadedPrograms().length;
    let seconds = 2;
    for (let count = 0; count < 6; count += 1, seconds *= 1.7) {
      const next = Running.begin('enforce', KEEP, '--db', db);
      await Promise.race([sleep(seconds * 1000), next.until(/^Blocking by /m)]);
      await next.end('SIGKILL');
    }
    await hammer.go(20);
    assert.ok(pinned().length <= 2, pinned().join(' '));
    await start();
    assert.equal(pinned().length, 1);
    await enforce!.end('SIGKILL');
    await hammer.go(20);
    assert.equal(loadedPrograms().length, programs);
  } finally {
    const results = await hammer.end();
    assert.deepEqual(Object.keys(results), ['EPERM'], JSON.stringify(results));
  }
});

test('a start that fails leaves what was kept', async () => {
  await start();
  await enforce!.end('SIGKILL');
  const before = pinned();
  const bad = policyFile('bad.yaml', '  alow: []\n');
  assert.equal(bouheki('enforce', bad, '--db', db).status, 2);
  const other = policyFile('other.yaml', '  allow: []\n');
  // Nobody may ask a resolver under it: the pre-flight says stop.
  const resolvers = readFileSync('/etc/resolv.conf');
  writeFileSync('/etc/resolv.conf', 'nameserver 10.0.0.53\n');
  try {
    assert.equal(bouheki('enforce', other, '--db', db).status, 1);
  } finally {
    writeFileSync('/etc/resolv.conf', resolvers);
  }
  assert.deepEqual(pinned(), before);
  assert.equal(pythonTo('tcp', DENIED, 80), 'EPERM');
  assert.match(
    bouheki('doctor').stdout,
    /^limited +a policy that no process holds: the kernel alone enforces the policy /m,
  );
});

test('the end for want of memory leaves no gap', async (t) => {
  run('sh', '-c', 'echo +memory >/sys/fs/cgroup/cgroup.subtree_control');
  const directory = cgroup('/scarce');
  if (!existsSync(join(directory, 'memory.max'))) return t.skip('no memory controller in this guest');
  const running = await start();
  const hammer = new Hammer(DENIED, 50);
  try {
    // It asks the kernel to end others first; that is taken back here.
    writeFileSync(`/proc/${running.pid}/oom_score_adj`, '0');
    writeFileSync(join(directory, 'cgroup.procs'), String(running.pid));
    writeFileSync(join(directory, 'memory.max'), String(1 << 20));
    running.signal('SIGHUP');
    const ended = await running.end();
    assert.equal(ended.status, null);
    assert.match(readFileSync(join(directory, 'memory.events'), 'utf8'), /^oom_kill [1-9]/m);
    await hammer.go(20);
    await start();
    await hammer.go(20);
  } finally {
    const results = await hammer.end();
    assert.deepEqual(Object.keys(results), ['EPERM'], JSON.stringify(results));
  }
});

test('deny-all that waits for its confirmation gives way within 21 s though nobody is left', async () => {
  const hammer = new Hammer(OTHER, 50);
  try {
    await hammer.go(1);
    await start(NOTHING, '--confirm-within', '20s');
    const begun = performance.now();
    await enforce!.end('SIGKILL');
    const killed = hammer.results;
    assert.equal(pinned().length, 1);
    await hammer.go(20);
    const later = hammer.results;
    assert.equal(later.reached, killed.reached, 'nothing is reached');
    const seconds = await reachedAgain(hammer, begun);
    assert.ok(seconds > 10 && seconds < 21, `it took ${seconds} s`);
  } finally {
    await hammer.end();
  }
  assert.match(
    bouheki('status', '--db', db).stdout,
    /^Kept +nothing is blocked any more by \w{12} of \S+nothing\.yaml/m,
  );
  assert.equal(bouheki('detach').status, 0);
  assert.deepEqual(programsLeft(), []);
});

test('what is kept goes with the mount of bpffs, as it does at a reboot', async () => {
  await start();
  await enforce!.end('SIGKILL');
  assert.equal(pythonTo('tcp', DENIED, 80), 'EPERM');
  assert.equal(run('umount', BPFFS).status, 0);
  try {
    assert.ok(becomesReachable(DENIED));
    const { status, stderr } = bouheki('enforce', KEEP, '--db', db, '--no-preflight');
    assert.equal(status, 2);
    assert.match(
      stderr,
      /^bouheki: the policy cannot be kept when this process ends \(on_exit: keep\): no bpffs is mounted at \/sys\/fs\/bpf\n.*mount -t bpf bpf \/sys\/fs\/bpf/m,
    );
    assert.equal(pythonTo('tcp', DENIED, 80), 'reached');
  } finally {
    run('mount', '-t', 'bpf', 'bpf', BPFFS);
  }
});
