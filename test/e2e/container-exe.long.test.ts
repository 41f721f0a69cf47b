/** A rule for an executable of a container is for that file of that container, and for nothing that looks like it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { bouheki, Running } from './bouheki.ts';
import { type Ended, folder, IMAGE, makeImage, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const place = folder();
const db = join(place, 'record.duckdb');
const file = join(place, 'policy.yaml');
const [WGET, CURL, NOT_CURL, TOOL, TO_HOST] = [1, 2, 3, 4, 5].map((host) => `10.0.4.${host}`);

const POLICY = `version: 2
network:
  mode: block
  deny:
    - { name: no curl, from: { container: [web], exe: [/bin/curl] }, to: [{ cidr: [${NOT_CURL}] }] }
  allow:
    - { name: wget, from: { container: [web], exe: [/bin/wget] }, to: [{ cidr: [${WGET}] }] }
    - { name: curl, from: { image: ["localhost/${IMAGE}:latest"], exe: [/bin/curl] }, to: [{ cidr: [${CURL}] }] }
    - { name: all, to: [{ cidr: [${NOT_CURL}] }] }
    - { name: tool, from: { container: [web], exe: [/opt/tool] }, to: [{ cidr: [${TOOL}] }] }
    - { name: host, from: { exe: [/bin/wget, /bin/busybox, /bin/curl] }, to: [{ cidr: [${TO_HOST}] }] }
`;

let enforce: Running;
const others: ChildProcess[] = [];

before(async () => {
  startNetwork();
  makeImage();
  writeFileSync(file, POLICY, { mode: 0o600 });
  start('web');
  start('other');
  enforce = await Running.start('enforce', file, '--db', db);
});

after(async () => {
  await enforce.end('SIGTERM');
  for (const other of others) other.kill('SIGKILL');
  for (const name of ['web', 'other']) run('podman', 'rm', '-f', '-i', '-t', '0', name);
  stopNetwork();
});

function start(name: string, ...options: string[]): void {
  const common = ['--rm', '--network', 'host', '--name', name, '--security-opt', 'seccomp=unconfined'];
  succeeded(run('podman', 'run', '-d', ...common, ...options, IMAGE, 'sleep', '3600'));
}

const within = (name: string, ...command: string[]) =>
  run('podman', 'exec', '--privileged', name, ...command);
const wget = (address: string) => ['/bin/wget', '-q', '-O', '/dev/null', `http://${address}/`];
const curl = (address: string, program = '/bin/curl') => [
  program,
  '-sS',
  '-o',
  '/dev/null',
  `http://${address}/`,
];

function reached({ status, stderr }: Ended): boolean {
  if (status === 0) return true;
  assert.match(stderr, /Operation not permitted|Couldn't connect/, `status ${status}`);
  return false;
}

/** Waits until an attempt reaches its address. */
async function untilReached(attempt: () => Ended): Promise<void> {
  const deadline = Date.now() + 90_000;
  while (!reached(attempt())) {
    assert.ok(Date.now() < deadline, `never reached\n${enforce.stderr}`);
    // oxlint-disable-next-line no-await-in-loop
    await wait(100);
  }
}

test('the program that a rule names is allowed in its container from the first moment of the policy', () => {
  assert.ok(reached(within('web', ...wget(WGET!))));
  assert.ok(!reached(within('web', ...curl(WGET!))), 'another program of it');
  assert.ok(!reached(within('other', ...wget(WGET!))), 'another container of the same image');
  assert.ok(!reached(run('busybox', ...wget(WGET!).with(0, 'wget'))), "the host's own");
  assert.ok(reached(within('web', ...curl(CURL!))), 'by the image');
  assert.ok(reached(within('other', ...curl(CURL!))), 'by the image, in another container');
  assert.ok(!reached(within('other', ...wget(CURL!))));
});

test('a rule for a program of the host is for no container', () => {
  assert.ok(reached(run('busybox', ...wget(TO_HOST!).with(0, 'wget'))));
  assert.ok(!reached(within('web', ...wget(TO_HOST!))));
  assert.ok(!reached(within('web', ...curl(TO_HOST!))));
});

test('a deny is for that program of that container', () => {
  assert.ok(!reached(within('web', ...curl(NOT_CURL!))));
  assert.ok(reached(within('web', ...wget(NOT_CURL!))));
  assert.ok(reached(within('other', ...curl(NOT_CURL!))));
});

test('mounts of its own gain a process nothing, and escape no deny', () => {
  const mounted = (...command: string[]) =>
    within(
      'web',
      'unshare',
      '-m',
      'sh',
      '-c',
      `cp /bin/curl /tmp/mine && mount -o bind /tmp/mine /bin/busybox; ${command.join(' ')}`,
    );
  assert.ok(!reached(within('web', 'unshare', '-m', ...wget(WGET!))), 'the file itself, among other mounts');
  assert.ok(!reached(mounted(...curl(WGET!, '/bin/busybox'))), 'another file in its place');
  assert.ok(!reached(within('web', 'unshare', '-m', ...wget(NOT_CURL!))), 'it may be curl for all we know');
});

test('neither does a root of its own', () => {
  const script = `mkdir -p /tmp/root/bin && cp /bin/curl /tmp/root/bin/wget && cp -r /lib* /usr /etc /tmp/root/ 2>/dev/null; exec chroot /tmp/root ${curl(WGET!, '/bin/wget').join(' ')}`;
  assert.ok(!reached(within('web', 'sh', '-c', script)));
});

test('a program that is not there is told, and followed as it appears, is replaced and vanishes', async () => {
  assert.match(enforce.stderr, /\/opt\/tool does not exist in container web;/);
  const install = 'mkdir -p /opt && cp /bin/curl /opt/tool.new && mv /opt/tool.new /opt/tool';
  const tool = () => within('web', ...curl(TOOL!, '/opt/tool'));
  for (const [script, told] of [
    [install, /\/opt\/tool in container web exists now/],
    [install, /\/opt\/tool in container web is another file now/],
  ] as const) {
    const from = enforce.stderr.length;
    succeeded(within('web', 'sh', '-c', script));
    // oxlint-disable-next-line no-await-in-loop
    await enforce.until(told, from);
    assert.ok(reached(tool()));
  }
  assert.ok(!reached(within('web', ...curl(TOOL!))), 'a copy of it');
  const from = enforce.stderr.length;
  succeeded(within('web', 'rm', '/opt/tool'));
  await enforce.until(/\/opt\/tool in container web does not exist any more/, from);
});

test('the rule holds for a container that is made anew, soon after its start', async (context) => {
  succeeded(run('podman', 'rm', '-f', '-t', '0', 'web'));
  const script = `read up rest </proc/uptime; tries=1
    until ${wget(WGET!).join(' ')} 2>/dev/null; do tries=$((tries + 1)); sleep 0.02; done
    read end rest </proc/uptime; echo $up $end $tries`;
  const { stdout } = succeeded(
    run('podman', 'run', '--rm', '--network', 'host', '--name', 'web', IMAGE, 'sh', '-c', script),
  );
  const [up, end, tries] = stdout.trim().split(' ').map(Number);
  context.diagnostic(
    `allowed ${Math.round((end! - up!) * 1000)} ms after its first process, at attempt ${tries}`,
  );
  start('web');
  await untilReached(() => within('web', ...wget(WGET!)));
  assert.ok(!reached(within('web', ...curl(WGET!))));
  assert.ok(!reached(within('other', ...wget(WGET!))));
});

test('SIGHUP costs running containers nothing', async () => {
  await untilReached(() => within('web', ...wget(WGET!)));
  const loop = spawn('podman', [
    'exec',
    'web',
    'sh',
    '-c',
    `while [ ! -e /tmp/stop ] && ${wget(WGET!).join(' ')}; do echo reached; done`,
  ]);
  others.push(loop);
  const reaches = createInterface({ input: loop.stdout })[Symbol.asyncIterator]();
  assert.ok(!(await reaches.next()).done);
  const from = enforce.stderr.length;
  enforce.signal('SIGHUP');
  await enforce.until(/^Blocking by /m, from);
  for (let count = 0; count < 5; count += 1) {
    // oxlint-disable-next-line no-await-in-loop
    assert.ok(!(await reaches.next()).done, 'it was refused');
  }
  succeeded(run('podman', 'exec', 'web', 'touch', '/tmp/stop'));
  // A loop that goes on would take a processor from all that follows.
  while (!(await reaches.next()).done);
});

test('generate by program makes a rule of each program of an image, which lets it through again', async () => {
  const { stderr } = succeeded(await enforce.end('SIGTERM'));
  assert.doesNotMatch(stderr, /no room/);
  const { stdout } = succeeded(
    bouheki('generate', '--mode', 'block', '--by', 'exe', '--target', 'container', '--db', db),
  );
  assert.match(
    stdout,
    /from: \{ exe: \[\/bin\/busybox\], uid: \[0\], image: \["?localhost\/e2e:latest"?\] \}/,
  );
  assert.match(stdout, /from: \{ exe: \[\/bin\/curl\], uid: \[0\], image: \["?localhost\/e2e:latest"?\] \}/);
  writeFileSync(file, stdout, { mode: 0o600 });
  enforce = await Running.start('enforce', file, '--db', db);
  assert.ok(reached(within('web', ...wget(WGET!))));
  assert.ok(reached(within('web', ...curl(CURL!))));
  assert.ok(!reached(within('web', ...curl(WGET!))));
});
