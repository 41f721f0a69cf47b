/** With --guard-key a policy that is kept can be undone by nobody, root neither, who does not give the key. */
import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pythonTo } from './attempt.ts';
import { bouheki, Running } from './bouheki.ts';
import { folder, programsLeft, run, startNetwork, stopNetwork, succeeded } from './guest.ts';
import {
  becomesReachable,
  db,
  DENIED,
  KEEP,
  OTHER,
  pinned,
  PINS,
  policyFile,
  removePins,
  RULES,
} from './keeping.ts';

const place = folder();
const key = join(place, 'key');
const wrong = join(place, 'wrong');
const open = policyFile('open.yaml', '  on_exit: keep\n  allow: [{ name: everything, to: [{}] }]\n');
const narrower = policyFile(
  'narrower.yaml',
  `  on_exit: keep\n${RULES.replace(DENIED, `${DENIED}, ${OTHER}`)}`,
);
let enforce: Running;

function refused(args: readonly string[], reason: RegExp): void {
  const { status, stderr } = bouheki(...args);
  assert.equal(status, 2, `${args.join(' ')}: ${stderr}`);
  assert.match(stderr, reason);
  assert.equal(pythonTo('tcp', DENIED, 80), 'EPERM');
}

before(() => {
  startNetwork();
  for (const [file, digit] of [
    [key, 'a'],
    [wrong, 'b'],
  ] as const)
    writeFileSync(file, `${digit.repeat(64)}\n`, { mode: 0o600 });
});

after(async () => {
  await enforce.end('SIGKILL');
  bouheki('detach', '--guard-key', key);
  removePins();
  stopNetwork();
});

test('a key file must be private and hold a key', () => {
  const loose = join(place, 'loose');
  writeFileSync(loose, 'a'.repeat(64), { mode: 0o644 });
  const short = join(place, 'short');
  writeFileSync(short, 'abc', { mode: 0o600 });
  for (const [file, reason] of [
    [loose, /others than its owner can read it/],
    [short, /holds no guard key/],
    [join(place, 'missing'), /no such file/],
  ] as const) {
    const { status, stderr } = bouheki('enforce', KEEP, '--db', db, '--no-preflight', '--guard-key', file);
    assert.equal(status, 2, stderr);
    assert.match(stderr, reason);
  }
});

test('a policy that ends with its process can not be guarded', () => {
  const released = policyFile('released.yaml', RULES);
  const { status, stderr } = bouheki('enforce', released, '--db', db, '--no-preflight', '--guard-key', key);
  assert.equal(status, 2, stderr);
  assert.match(stderr, /--guard-key is for a policy that blocks and says on_exit: keep/);
});

test('while it runs, nobody takes it back without the key', async () => {
  enforce = await Running.start('enforce', KEEP, '--db', db, '--no-preflight', '--guard-key', key);
  const apply = ['apply', open, '--db', db, '--no-preflight'];
  refused(apply, /the policy is guarded, and its key was not given/);
  refused([...apply, '--guard-key', wrong], /the policy is guarded, and that is not its key/);
  refused(['pause', '--for', '1m', '--db', db], /the policy is guarded/);
  refused(['rollback', '--db', db], /the policy is guarded/);
  refused(['detach'], /what process \d+ keeps is guarded, and its key was not given/);
  refused(['detach', '--guard-key', wrong], /what process \d+ keeps is guarded, and it has another key/);
  assert.notEqual(run('rm', '-r', PINS).status, 0);
  assert.notEqual(run('umount', '-l', '/sys/fs/bpf').status, 0);
  assert.equal(pythonTo('tcp', DENIED, 80), 'EPERM');
  await enforce.until(
    /^Warning: others tried to get at what is enforced and were refused, .*; the last was process \d+ \(/m,
  );
  // A file that root has changed is not read at a signal.
  appendFileSync(KEEP, '# changed\n');
  enforce.signal('SIGHUP');
  await enforce.until(/^SIGHUP: the policy is guarded, and its file is not read again/m);
  assert.match(succeeded(bouheki('status', '--db', db)).stdout, /guarded by a key/);
});

test('with the key another policy comes into force', () => {
  succeeded(bouheki('apply', narrower, '--db', db, '--no-preflight', '--guard-key', key));
  assert.equal(pythonTo('tcp', OTHER, 80), 'EPERM');
});

test('after a crash it holds, and a start without the key is refused before it does anything', async () => {
  await enforce.end('SIGKILL');
  assert.equal(pythonTo('tcp', OTHER, 80), 'EPERM');
  const start = ['enforce', KEEP, '--db', db, '--no-preflight'];
  refused(start, /what process \d+ keeps is guarded, and its key was not given/);
  refused([...start, '--guard-key', wrong], /what process \d+ keeps is guarded, and it has another key/);
  assert.equal(pythonTo('tcp', OTHER, 80), 'EPERM');
  enforce = await Running.start(...start, '--guard-key', key);
  assert.equal(pinned().length, 1);
  assert.equal(pythonTo('tcp', DENIED, 80), 'EPERM');
  assert.ok(becomesReachable(OTHER));
});

test('detach with the key leaves nothing', async () => {
  await enforce.end('SIGTERM');
  succeeded(bouheki('detach', '--guard-key', key));
  assert.ok(becomesReachable(DENIED));
  assert.deepEqual(programsLeft(), []);
  assert.deepEqual(pinned(), []);
});
