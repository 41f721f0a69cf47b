/** Programs in another root or behind other mounts are not the host's of that path: from learn to drift. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { curl } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { folder, run, startNetwork, stopNetwork, succeeded, USER } from './guest.ts';

/** Needs no other file, in whatever root directory. */
const BUSYBOX = succeeded(run('sh', '-c', 'command -v busybox')).stdout.trim();
/** Where all of them go. */
const PLACE = '203.0.113.9';
/** Runs the program that follows under the name of the applet, whatever its own is. */
const AS_WGET = ['bash', '-c', `exec -a wget "$@" -q -O - http://${PLACE}/`, 'bash'];
const CURL = '/usr/bin/curl';
const place = folder();
const db = join(place, 'learn.duckdb');
const enforced = join(place, 'enforce.duckdb');
const policy = join(place, 'policy.yaml');
const jail = join(place, 'jail');
/** 300 bytes, more than the kernel side has room for. */
const deep = join(place, ...Array.from({ length: 30 }, () => 'directory'), 'bash');
const named = join(place, 'a (deleted)');
const own = join(place, 'own');

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, 0o755);
}

/** Whether a program came to the place where it went. */
function told(...words: string[]): string {
  const { stderr, stdout } = run(...words);
  if (stdout === `hello from ${PLACE} port 80\n`) return 'allowed';
  assert.match(stderr, /Operation not permitted/);
  return 'denied';
}

/** Lives until its path has been read. */
async function deepConnects(recorder: Running, record: string): Promise<void> {
  const process = spawn(deep, ['-c', 'echo x >/dev/udp/10.0.1.5/514; read -r end'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  await recorder.recorded(record, `SELECT 1 FROM connections WHERE address = '10.0.1.5'`);
  process.stdin.end();
  await new Promise((resolve) => process.once('exit', resolve));
}

const JAILS = {
  chroot: () => told('chroot', jail, '/bin/wget', '-q', '-O', '-', `http://${PLACE}/`),
  mounted: () =>
    told(
      'unshare',
      '--mount',
      'sh',
      '-ec',
      `mount --bind ${BUSYBOX} ${CURL}; exec "$@"`,
      'sh',
      ...AS_WGET,
      CURL,
    ),
  named: () => told(...AS_WGET, named),
  service: () => told('unshare', '--mount', ...AS_WGET, own),
  user: () =>
    told(
      'setpriv',
      '--reuid',
      String(USER),
      '--regid',
      String(USER),
      '--clear-groups',
      'unshare',
      '--user',
      '--map-root-user',
      '--mount',
      ...AS_WGET,
      own,
    ),
};

before(async () => {
  startNetwork();
  chmodSync(place, 0o755);
  copy(BUSYBOX, join(jail, 'bin/wget'));
  copy(BUSYBOX, named);
  copy(BUSYBOX, own);
  copy('/bin/bash', deep);
  const learn = await Running.start('learn', '--db', db);
  for (const connect of Object.values(JAILS)) assert.equal(connect(), 'allowed');
  await deepConnects(learn, db);
  const { status, stderr } = await learn.end('SIGINT');
  assert.equal(status, 0, stderr);
});

after(stopNetwork);

test('the record says which file each program was', async () => {
  const rows = await query<{ exe: string }>(
    db,
    `SELECT DISTINCT exe FROM connections WHERE address IN ('${PLACE}', '10.0.1.5') ORDER BY exe`,
  );
  assert.deepEqual(
    rows.map(({ exe }) => exe).sort(),
    [`elsewhere:${CURL}`, `elsewhere:${own}`, `${jail}/bin/wget`, deep, named, own].sort(),
  );
});

test('no rule is for the host at a path of a jail, and what has none is named', () => {
  const { stdout, stderr } = succeeded(bouheki('generate', '--mode', 'block', '--db', db));
  writeFileSync(policy, stdout, { mode: 0o600 });
  assert.doesNotMatch(stdout, /exe: \[\/usr\/bin\/curl\]/);
  for (const path of [CURL, own]) {
    assert.ok(stderr.includes(`Not allowed (unnamed subject): elsewhere:${path} uid `), stderr);
  }
});

const sorted = (list: readonly (string | undefined)[]): string[] => list.map(String).sort();

suite('under enforcement', () => {
  let enforce: Running;
  before(async () => {
    enforce = await Running.start('enforce', policy, '--db', enforced);
  });
  after(() => enforce.end('SIGINT'));

  test('what has a rule works, what has none is denied, and so is the program of the host', async () => {
    assert.deepEqual(
      Object.entries(JAILS).map(([name, connect]) => [name, connect()]),
      [
        ['chroot', 'allowed'],
        ['mounted', 'denied'],
        ['named', 'allowed'],
        ['service', 'allowed'],
        ['user', 'denied'],
      ],
    );
    await deepConnects(enforce, enforced);
    assert.notEqual(run(...curl(`http://${PLACE}/`)).status, 0);
    await enforce.logged({ Comm: 'curl', Exe: CURL });
    const { status, stderr } = await enforce.end('SIGINT');
    assert.equal(status, 0, stderr);
  });

  test('drift lists exactly what the log lists', () => {
    const { stdout } = bouheki('drift', policy, '--db', enforced, '--json');
    type Entry = { exe: string; count: number };
    const drift = JSON.parse(stdout) as { new: Entry[]; denied: Entry[]; disagreed: Entry[] };
    assert.deepEqual([drift.new, drift.disagreed], [[], []]);
    const listed = drift.denied.flatMap(({ exe, count }) => Array.from({ length: count }, () => exe));
    assert.deepEqual(sorted(listed), sorted(enforce.log.map(({ Exe }) => Exe)));
    assert.deepEqual([...new Set(listed)].sort(), [CURL, `elsewhere:${CURL}`, `elsewhere:${own}`].sort());
  });
});
