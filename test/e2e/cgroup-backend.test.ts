/** `--cgroup`: one cgroup is watched and judged, nothing else; what cannot be seen there is said. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { curl, curlRefused, ping } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { folder, inCgroup, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const CGROUP = '/sys/fs/cgroup/judged';
const BELOW = `${CGROUP}/below`;
const UNSEEN =
  'sockets of other families than IP, where SCTP and DCCP go, and sends on TCP connections that were made before';

const place = folder();
const db = join(place, 'record.duckdb');
const policy = join(place, 'policy.yaml');

before(() => {
  startNetwork();
  mkdirSync(BELOW, { recursive: true });
});
after(stopNetwork);

suite('learn', () => {
  let learn: Running;
  before(async () => {
    learn = await Running.start('learn', '--cgroup', CGROUP, '--db', db);
  });
  after(async () => {
    await learn.end('SIGINT');
  });

  test('says at its start what is watched, and what is not seen', async () => {
    await learn.until(/^Only sockets made in /m);
    assert.ok(
      learn.stderr.includes(
        `Only sockets made in ${CGROUP} or below it are watched. Not seen there: ${UNSEEN}.\n`,
      ),
      learn.stderr,
    );
  });

  test('status says so too while it runs', () => {
    const json = JSON.parse(succeeded(bouheki('status', '--db', db, '--json')).stdout) as {
      recorder: { watch: unknown };
    };
    assert.deepEqual(json.recorder.watch, { backend: 'cgroup', cgroup: CGROUP, unseen: UNSEEN });
  });

  test('records what is done in the cgroup and below it, and nothing else', async () => {
    succeeded(inCgroup(CGROUP, ...curl('http://10.0.1.1/')));
    succeeded(inCgroup(BELOW, ...curl('http://10.0.1.2/')));
    succeeded(run(...curl('http://10.0.1.3/')));
    const { status, stderr } = await learn.end('SIGINT');
    assert.equal(status, 0, stderr);
    const rows = await query(
      db,
      'SELECT command, exe, address, port, protocol FROM connections ORDER BY address',
    );
    const row = { command: 'curl', exe: '/usr/bin/curl', port: 80, protocol: 'tcp' };
    assert.deepEqual(rows, [
      { ...row, address: '10.0.1.1' },
      { ...row, address: '10.0.1.2' },
    ]);
  });

  test('its record makes a policy', () => {
    const { stdout } = succeeded(bouheki('generate', '--mode', 'block', '--db', db));
    assert.match(stdout, /cidr: \[10\.0\.1\.1, 10\.0\.1\.2\], port: \[80\], protocol: \[tcp\]/);
    const denied = [
      '{ name: nobody, to: [{ cidr: [203.0.113.7/32] }] }',
      '{ name: late, from: { unit: [late.service] }, to: [{ cidr: [10.0.1.1/32] }] }',
    ];
    const text = stdout.replace(/^ {2}deny:$/m, ['$&', ...denied].join('\n    - '));
    writeFileSync(policy, text, { mode: 0o600 });
  });
});

suite('enforce', () => {
  let enforce: Running;
  before(async () => {
    enforce = await Running.start('enforce', policy, '--backend', 'cgroup', '--cgroup', CGROUP, '--db', db);
  });
  after(async () => {
    await enforce.end('SIGINT');
  });

  test('says whom the policy holds for', () => {
    assert.match(
      enforce.stderr,
      /^Blocking by \S+: \d+ deny and 1 allow entries for \/sys\/fs\/cgroup\/judged\.$/m,
    );
  });

  test('what was learnt works in the cgroup and below it', () => {
    succeeded(inCgroup(CGROUP, ...curl('http://10.0.1.1/')));
    succeeded(inCgroup(BELOW, ...curl('http://10.0.1.2/')));
  });

  test('anything else is refused there with EPERM, and logged', async () => {
    assert.ok(curlRefused(inCgroup(CGROUP, ...curl('http://10.0.1.3/'))));
    assert.ok(curlRefused(inCgroup(BELOW, ...curl('http://203.0.113.7/'))));
    const { Action, Comm, Exe, Port } = await enforce.logged({ Addr: '10.0.1.3' });
    assert.deepEqual(
      { Action, Comm, Exe, Port },
      { Action: 'BLOCKED', Comm: 'curl', Exe: '/usr/bin/curl', Port: 80 },
    );
    assert.equal((await enforce.logged({ Addr: '203.0.113.7' })).Rule, 'nobody');
  });

  test('a cgroup that is made below it is soon judged by the rules for it', async () => {
    const late = `${CGROUP}/late.service`;
    mkdirSync(late);
    const deadline = Date.now() + 30_000;
    while (!curlRefused(inCgroup(late, ...curl('http://10.0.1.1/'))) && Date.now() < deadline) {
      // oxlint-disable-next-line no-await-in-loop
      await sleep(500);
    }
    assert.equal((await enforce.logged({ Addr: '10.0.1.1' })).Rule, 'late');
  });

  test('nobody else is concerned', () => {
    succeeded(run(...curl('http://203.0.113.7/')));
  });

  test('a raw socket in the cgroup takes a permission of its own, and not elsewhere', async () => {
    assert.match(inCgroup(CGROUP, ...ping('10.0.1.1')).stderr, /^PermissionError/m);
    const { Action, Comm } = await enforce.logged({ Socket: 'raw' });
    assert.deepEqual({ Action, Comm }, { Action: 'BLOCKED', Comm: 'python3' });
    assert.equal(run(...ping('10.0.1.1')).stdout, 'reached\n');
  });

  test('drift tells of the denials', async () => {
    const { status, stderr } = await enforce.end('SIGINT');
    assert.equal(status, 0, stderr);
    const drift = bouheki('drift', policy, '--db', db);
    assert.equal(drift.status, 1, drift.stderr);
    assert.match(drift.stdout, /\/usr\/bin\/curl uid 0 \(root\) +tcp 203\.0\.113\.7:80 .*nobody/);
    succeeded(inCgroup(CGROUP, ...curl('http://203.0.113.7/')));
  });
});

test('a raw socket that a rule allows is judged by its packets in the cgroup, and the backstop sees them too', async () => {
  const pings =
    '{ name: pings, from: { command: [python3] }, to: [{ cidr: [10.0.1.1/32] }], sockets: [raw] }';
  writeFileSync(policy, readFileSync(policy, 'utf8').replace(/^ {2}allow:$/m, `$&\n    - ${pings}`));
  const enforce = await Running.start(
    'enforce',
    policy,
    '--force',
    '--cgroup',
    CGROUP,
    '--db',
    db,
    '--backstop',
  );
  assert.equal(inCgroup(BELOW, ...ping('203.0.113.7')).stdout, 'EPERM\n');
  assert.equal((await enforce.logged({ Addr: '203.0.113.7', Protocol: 'icmp' })).Rule, 'nobody');
  assert.equal(inCgroup(BELOW, ...ping('10.0.1.2')).stdout, 'EPERM\n');
  assert.equal(inCgroup(BELOW, ...ping('10.0.1.1')).stdout, 'reached\n');
  assert.equal(run(...ping('203.0.113.7')).stdout, 'reached\n');
  const { status, stderr } = await enforce.end('SIGINT');
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^The backstop dropped 1 packet to addresses that the policy denies\.$/m);
});

test('a directory that is no cgroup is refused with what to do instead', () => {
  const { status, stderr } = bouheki('learn', '--db', join(place, 'none.duckdb'), '--cgroup', '/tmp');
  assert.equal(status, 2, stderr);
  assert.match(stderr, /cannot attach \w+ to the cgroup \/tmp\n.*name a directory/);
});
