/** What is kept ends by one command, and what is not ends with its process. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { curl, curlRefused, pythonTo } from './attempt.ts';
import { bouheki, Running } from './bouheki.ts';
import { cgroup, type Ended, inCgroup, programsLeft, startNetwork, stopNetwork } from './guest.ts';
import { becomesReachable, db, DENIED, KEEP, pinned, policyFile, removePins, RULES } from './keeping.ts';

const RELEASE = policyFile('release.yaml', RULES);

let enforce: Running | undefined;

async function start(...args: string[]): Promise<Running> {
  return (enforce = await Running.start('enforce', ...args, '--db', db, '--no-preflight'));
}

before(startNetwork);
afterEach(async () => {
  await enforce?.end('SIGKILL');
  removePins();
});
after(stopNetwork);

test('detach ends a process that enforces still, and a policy that is released ends with its process', async () => {
  const running = await start(KEEP);
  assert.equal(bouheki('apply', RELEASE, '--no-preflight', '--db', db).status, 0);
  assert.deepEqual(pinned(), []);
  assert.equal(pythonTo('tcp', DENIED, 80), 'EPERM');
  assert.equal(bouheki('apply', KEEP, '--no-preflight', '--db', db).status, 0);
  assert.equal(pinned().length, 1);
  const { status, stdout } = bouheki('detach');
  assert.equal(status, 0);
  assert.match(
    stdout,
    new RegExp(`^Ended: process ${running.pid}, and the policy \\w{12} of \\S+keep\\.yaml\\.$`, 'm'),
  );
  const ended = await running.end();
  assert.equal(ended.status, 0);
  assert.match(ended.stderr, /connections; the policy is no longer in force\.$/m);
  assert.ok(becomesReachable(DENIED));
  assert.deepEqual(programsLeft(), []);
});

test('a policy for one cgroup is kept for that alone', async () => {
  const directory = cgroup('/kept');
  const there = (): Ended => inCgroup(directory, ...curl(`http://${DENIED}/`));
  await start(KEEP, '--cgroup', directory);
  await enforce!.end('SIGKILL');
  assert.ok(curlRefused(there()));
  assert.equal(pythonTo('tcp', DENIED, 80), 'reached');
  assert.match(
    bouheki('status', '--db', db).stdout,
    /^Kept +the kernel alone blocks by \w{12} of \S+keep\.yaml, in force since \S+, for \/sys\/fs\/cgroup\/kept; /m,
  );
  assert.equal(bouheki('detach').status, 0);
  assert.deepEqual(programsLeft(), []);
  assert.equal(there().status, 0);
});
