/** The main job on real traffic: learn, generate, enforce, drift; and the same in monitor mode. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { curl, curlRefused, ping, pythonTo } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import {
  asUser,
  folder,
  inContainer,
  programsLeft,
  makeImage,
  run,
  startNetwork,
  stopNetwork,
  succeeded,
  USER,
} from './guest.ts';

const place = folder();
const policy = join(place, 'policy.yaml');
const db = join(place, 'loop.duckdb');
/** Without a policy, so that what it says is what monitor mode recorded. */
const monitored = join(place, 'monitor.duckdb');

/** What this host does every day: programs of root and of a user, a datagram, a raw socket, a container. */
function dailyWork(): void {
  assert.equal(succeeded(run(...curl('http://10.0.1.1/'))).stdout, 'hello from 10.0.1.1 port 80\n');
  const user = succeeded(asUser(USER, ...curl('http://10.0.5.5:443/')));
  assert.equal(user.stdout, 'hello from 10.0.5.5 port 443\n');
  assert.equal(pythonTo('tcp', '10.0.3.10', 8080), 'reached');
  succeeded(run('logger', '--server', '10.0.3.10', '--port', '514', '--udp', 'the backup is done'));
  assert.equal(succeeded(run(...ping('10.0.1.1'))).stdout, 'reached\n');
  const container = succeeded(inContainer('web', 'wget', '-q', '-O', '-', 'http://10.0.1.71/'));
  assert.equal(container.stdout, 'hello from 10.0.1.71 port 80\n');
}

/** What was not done before: TCP and UDP of a host process, and the container. */
function unusualWork() {
  return {
    python: pythonTo('tcp', '203.0.113.7', 443),
    datagram: pythonTo('udp', '203.0.113.8', 514),
    curl: run(...curl('http://203.0.113.7/')),
    container: inContainer('web', 'wget', '-q', '-O', '-', 'http://203.0.113.7/'),
  };
}

before(async () => {
  startNetwork();
  makeImage();
  const learn = await Running.start('learn', '--db', db);
  dailyWork();
  const { status, stderr } = await learn.end('SIGINT');
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^Recorded \d+ connections of 6 processes, 0 lost\.$/m);
});

after(stopNetwork);

test('learn records every connection with executable, user and container', async () => {
  const rows = await query(
    db,
    `SELECT command, exe, uid, gid, container, address, port, protocol, verdict, host
     FROM connections WHERE operation NOT IN ('intent', 'open') ORDER BY time`,
  );
  const python = succeeded(
    run('python3', '-c', 'import os; print(os.readlink("/proc/self/exe"))'),
  ).stdout.trim();
  const usual = { uid: 0, gid: 0, container: null, protocol: 'tcp', verdict: 'allow', host: 'bouheki-vm' };
  const connection = (command: string, exe: string, address: string, port: number) => ({
    ...usual,
    command,
    exe,
    address,
    port,
  });
  assert.deepEqual(rows, [
    connection('curl', '/usr/bin/curl', '10.0.1.1', 80),
    { ...connection('curl', '/usr/bin/curl', '10.0.5.5', 443), uid: USER, gid: USER },
    connection('python3', python, '10.0.3.10', 8080),
    { ...connection('logger', '/usr/bin/logger', '10.0.3.10', 514), protocol: 'udp' },
    { ...connection('python3', python, '10.0.1.1', 0), protocol: 'icmp' },
    { ...connection('wget', '/bin/busybox', '10.0.1.71', 80), container: 'web' },
  ]);
});

test('a raw socket is recorded as that, and podman, which talks to the kernel, opens none', async () => {
  const rows = await query(db, `SELECT DISTINCT command, socket FROM connections WHERE operation = 'open'`);
  assert.deepEqual(rows, [{ command: 'python3', socket: 'raw' }]);
});

test('generate writes a policy that names each of them', () => {
  const { stdout, stderr } = succeeded(bouheki('generate', '--mode', 'block', '--db', db));
  writeFileSync(policy, stdout, { mode: 0o600 });
  assert.match(stdout, /^version: 2$/m);
  assert.match(stdout, /^ {2}mode: block$/m);
  for (const [from, to] of [
    ['{ exe: [/usr/bin/curl], uid: [0] }', '{ cidr: [10.0.1.1], port: [80], protocol: [tcp] }'],
    ['{ exe: [/usr/bin/curl], uid: [1000] }', '{ cidr: [10.0.5.5], port: [443], protocol: [tcp] }'],
    ['{ exe: [/usr/bin/logger], uid: [0] }', '{ cidr: [10.0.3.10], port: [514], protocol: [udp] }'],
    ['{ uid: [0], container: [web] }', '{ cidr: [10.0.1.71], port: [80], protocol: [tcp] }'],
  ]) {
    assert.ok(stdout.includes(`      from: ${from}\n      to: [${to}]\n`), `${from} ${to}\n${stdout}`);
  }
  assert.match(stdout, /from: \{ exe: \[\/usr\/bin\/python3\.\d+\], uid: \[0\] \}/);
  assert.match(stdout, /^ {6}sockets: \[raw\]/m);
  assert.match(stderr, /^Wrote 5 rules/m);
});

suite('under enforcement', () => {
  let enforce: Running;
  let unusual: ReturnType<typeof unusualWork>;
  let watching: Running;

  before(async () => {
    enforce = await Running.start('enforce', policy, '--db', db);
  });

  after(async () => {
    await enforce.end('SIGINT');
  });

  test('the pre-flight finds nothing in the record that would be blocked', () => {
    assert.match(enforce.stderr, /^ok +history +None of \d+ recorded events since .* would be blocked /m);
  });

  test('what was seen works and leaves no line in the log', () => {
    dailyWork();
    assert.deepEqual(enforce.log, []);
  });

  test('an unlisted destination is refused with EPERM for the host and for the container', () => {
    unusual = unusualWork();
    assert.equal(unusual.python, 'EPERM');
    assert.equal(unusual.datagram, 'EPERM');
    assert.ok(curlRefused(unusual.curl), unusual.curl.stderr);
    assert.equal(unusual.container.status, 1);
    assert.match(unusual.container.stderr, /Operation not permitted/);
  });

  test('the rule of one user and one container holds for no other', () => {
    assert.ok(curlRefused(run(...curl('http://10.0.5.5:443/'))), 'the destination of the user');
    assert.ok(curlRefused(asUser(USER, ...curl('http://10.0.1.1/'))), 'the destination of root');
    const other = inContainer('other', 'wget', '-q', '-O', '-', 'http://10.0.1.71/');
    assert.match(other.stderr, /Operation not permitted/);
  });

  test('the log has the documented keys of the host process', async () => {
    const line = await enforce.logged({ Comm: 'python3', Protocol: 'tcp' });
    const documented =
      'Action Addr Ancestors Comm Exe Hostname PID ParentComm Policy Port Protocol UID User level msg time';
    assert.deepEqual(Object.keys(line).sort(), documented.split(' '));
    const { PID, Ancestors, Exe, Policy, time, ...rest } = line;
    assert.ok(Number.isInteger(PID) && PID > enforce.pid, `PID ${PID}`);
    assert.match(Exe!, /^\/usr\/bin\/python3/);
    assert.match(Ancestors!, /^node < /);
    assert.match(Policy, /^[0-9a-f]{12}$/);
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 120_000, time);
    assert.deepEqual(rest, {
      Action: 'BLOCKED',
      Addr: '203.0.113.7',
      Comm: 'python3',
      Hostname: 'bouheki-vm',
      ParentComm: 'node',
      Port: 443,
      Protocol: 'tcp',
      UID: 0,
      User: 'root',
      level: 'info',
      msg: 'Traffic is trapped in the filter.',
    });
  });

  test('the log names the container, its image and its own host name', async () => {
    const { Comm, Addr, Port, Hostname, Exe, Image, Action } = await enforce.logged({ Container: 'web' });
    assert.deepEqual(
      { Comm, Addr, Port, Hostname, Exe, Image, Action },
      {
        Comm: 'wget',
        Addr: '203.0.113.7',
        Port: 80,
        Hostname: 'web-host',
        Exe: '/bin/busybox',
        Image: 'localhost/e2e:latest',
        Action: 'BLOCKED',
      },
    );
  });

  test('the log has a line for each refused datagram too', async () => {
    const { Addr, Port, Action } = await enforce.logged({ Comm: 'python3', Protocol: 'udp' });
    assert.deepEqual({ Addr, Port, Action }, { Addr: '203.0.113.8', Port: 514, Action: 'BLOCKED' });
  });

  test('watch shows what is denied as it happens', async () => {
    watching = Running.begin('watch', '--denied', '--json', '--db', db);
    await watching.until(/^Watching /m);
    assert.ok(curlRefused(run(...curl('http://203.0.113.9/'))));
    await watching.printed(/"address":"203\.0\.113\.9"/);
    const shown = JSON.parse(watching.stdout.split('\n')[0]!) as Record<string, unknown>;
    const { address, new: isNew, noted, port, subject, verdict } = shown;
    assert.deepEqual([address, port, verdict, noted, isNew], ['203.0.113.9', 80, 'deny', false, true]);
    assert.equal((subject as { exe: string }).exe, '/usr/bin/curl');
  });

  test('its end takes the policy away and leaves no program in the kernel', async () => {
    const { status, stderr } = await enforce.end('SIGINT');
    assert.equal(status, 0, stderr);
    assert.deepEqual((await watching.end()).status, 0, 'what watches ends with it');
    assert.match(stderr, /^Recorded \d+ connections; the policy is no longer in force\.$/m);
    assert.deepEqual(programsLeft(), []);
    assert.equal(pythonTo('tcp', '203.0.113.7', 443), 'reached');
  });

  test('drift names the host process and the container, and exits with 1', () => {
    const { status, stdout, stderr } = bouheki('drift', policy, '--db', db);
    assert.equal(status, 1);
    assert.match(stdout, /^Denied/m);
    assert.match(stdout, /^ +\/usr\/bin\/python3\S* uid 0 \(root\) +tcp 203\.0\.113\.7:443 /m);
    assert.match(stdout, /^ +\/usr\/bin\/python3\S* uid 0 \(root\) +udp 203\.0\.113\.8:514 /m);
    assert.match(stdout, /^ +\/usr\/bin\/curl uid 0 \(root\) +tcp 203\.0\.113\.7:80 /m);
    assert.match(stdout, /^ +container web uid 0 +tcp 203\.0\.113\.7:80 /m);
    assert.match(stdout, /^ +container other uid 0 +tcp 10\.0\.1\.71:80 /m);
    assert.match(stderr, /^Drift: 0 new, 8 denied, in \d+ events\.$/m);
  });
});

suite('in monitor mode', () => {
  let enforce: Running;

  before(async () => {
    enforce = await Running.start('enforce', policy, '--mode', 'monitor', '--db', monitored);
  });

  after(async () => {
    await enforce.end('SIGINT');
  });

  test('nothing is blocked, and nothing is looked at before', () => {
    assert.doesNotMatch(enforce.stderr, /^Pre-flight/m);
    dailyWork();
    const unusual = unusualWork();
    assert.equal(unusual.python, 'reached');
    assert.equal(unusual.datagram, 'reached');
    assert.equal(unusual.curl.stdout, 'hello from 203.0.113.7 port 80\n');
    assert.equal(unusual.container.stdout, 'hello from 203.0.113.7 port 80\n');
  });

  test('the log tells what would be blocked', async () => {
    await enforce.logged({ Container: 'web' });
    await enforce.end('SIGINT');
    const told = enforce.log.map(({ Action, Comm, Addr, Port }) => `${Action} ${Comm} ${Addr}:${Port}`);
    assert.deepEqual(told.sort(), [
      'MONITOR curl 203.0.113.7:80',
      'MONITOR python3 203.0.113.7:443',
      'MONITOR python3 203.0.113.8:514',
      'MONITOR wget 203.0.113.7:80',
    ]);
  });

  test('drift tells of them, and exits with 1', () => {
    const { status, stdout, stderr } = bouheki('drift', policy, '--db', monitored);
    assert.equal(status, 1);
    assert.match(stdout, /\/usr\/bin\/python3\S* uid 0 \(root\) +tcp 203\.0\.113\.7:443 /);
    assert.match(stdout, /container web uid 0 +tcp 203\.0\.113\.7:80 /);
    assert.match(stderr, /^Drift: 4 new, 0 denied, in \d+ events\.$/m);
  });
});
