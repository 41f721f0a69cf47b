/** What the pre-flight looks at on a host, and how it is passed over. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { pythonTo } from './attempt.ts';
import { BOUHEKI, bouheki, Running } from './bouheki.ts';
import { programsLeft, run, stopNetwork, succeeded } from './guest.ts';
import {
  all,
  CURL,
  db,
  type Finding,
  findings,
  learnTwo,
  LOST,
  part,
  policyOf,
  PYTHON,
} from './preflight.ts';

const RESOLV_CONF = '/etc/resolv.conf';

before(learnTwo);
after(stopNetwork);

test('without a record there is nothing to compare, and blocking begins', async () => {
  const enforce = await Running.start('enforce', part, '--db', `${db}.none`);
  assert.match(enforce.stderr, /^ok +history +There is no record at .*: nothing to compare\.$/m);
  assert.equal(pythonTo('tcp', '10.0.3.10', 8080), 'EPERM');
  succeeded(await enforce.end('SIGINT'));
});

test('it is not stopped by what was recorded before the time that is named', () => {
  const { status, stdout } = bouheki('enforce', part, '--dry-run', '--since', '0s', '--db', db);
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^ok +history +The record has no connection since /m);
});

test('it goes on when that is forced, and from then on without', async () => {
  const forced = await Running.start('enforce', part, '--force', '--db', db);
  assert.match(forced.stderr, LOST);
  assert.match(forced.stderr, /^Pre-flight: history passed over by --force/m);
  assert.equal(pythonTo('tcp', '10.0.3.10', 8080), 'EPERM');
  await forced.logged({ Addr: '10.0.3.10' });
  succeeded(await forced.end('SIGINT'));
  // What it denied was denied: that breaks nothing more.
  const again = await Running.start('enforce', part, '--db', db);
  assert.match(again.stderr, /^ok +history +.* when this policy began to block/m);
  succeeded(await again.end('SIGINT'));
});

test('a resolver that nobody may ask stops it, and one that somebody may ask does not', () => {
  const before = readFileSync(RESOLV_CONF);
  writeFileSync(RESOLV_CONF, 'nameserver 10.0.0.53\n');
  try {
    const { status, stderr } = bouheki('enforce', all, '--db', db);
    assert.equal(status, 1, stderr);
    assert.match(
      stderr,
      /^STOP +resolvers +No rule allows anybody to ask 10\.0\.0\.53 \(\/etc\/resolv\.conf\)\.$/m,
    );
    assert.deepEqual(programsLeft(), []);
    const asked = policyOf(
      'asked.yaml',
      CURL,
      PYTHON,
      '{ name: dns, to: [{ cidr: [10.0.0.53], port: [53] }] }',
    );
    assert.equal(bouheki('enforce', asked, '--dry-run', '--db', db).status, 0);
  } finally {
    writeFileSync(RESOLV_CONF, before);
  }
});

/**
 * Holds an accepted connection, one that it opened itself, and two sockets that name no destination; runs the rest of
 * its arguments then.
 */
const HOLDER = `
import socket, subprocess, sys
server = socket.create_server(('127.0.0.1', 2222))
client = socket.create_connection(('127.0.0.1', 2222))
accepted = server.accept()[0]
opened = socket.create_connection(('10.0.3.10', 8080))
named = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
named.connect(('2001:db8::7', 514))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
sys.exit(subprocess.run(sys.argv[1:]).returncode)
`;

/** Makes a device of each kind that this kernel has, and returns their names. */
function makeTunnels(): string[] {
  const made = [
    ['link', 'add', 'tunnel0', 'type', 'vxlan', 'id', '7', 'dstport', '4789', 'dev', 'egress0'],
    ['tuntap', 'add', 'dev', 'tunnel1', 'mode', 'tun'],
    ['tuntap', 'add', 'dev', 'tunnel2', 'mode', 'tap'],
    ['link', 'add', 'tunnel3', 'type', 'wireguard'],
    ['link', 'add', 'tunnel4', 'type', 'ipip', 'remote', '10.0.0.1', 'local', '10.0.0.2'],
    ['link', 'add', 'tunnel5', 'type', 'gre', 'remote', '10.0.0.1', 'local', '10.0.0.2'],
    ['link', 'add', 'tunnel6', 'type', 'gretap', 'remote', '10.0.0.1', 'local', '10.0.0.2'],
  ].filter((words) => run('ip', ...words).status === 0);
  return made.map((words) => words.find((word) => word.startsWith('tunnel'))!);
}

suite('what is open on the host', () => {
  let found: Record<string, Finding>;
  let tunnels: string[];

  before(() => {
    tunnels = makeTunnels();
    for (const name of tunnels) succeeded(run('ip', 'link', 'set', name, 'up'));
    succeeded(run('ip', 'mptcp', 'limits', 'set', 'add_addr_accepted', '1'));
    const command = [...BOUHEKI, 'enforce', part, '--dry-run', '--json', '--force', '--db', db];
    found = findings(run('python3', '-I', '-S', '-c', HOLDER, ...command));
  });

  after(() => {
    succeeded(run('ip', 'mptcp', 'limits', 'set', 'add_addr_accepted', '0'));
    for (const name of tunnels) succeeded(run('ip', 'link', 'del', name));
  });

  test('tunnels that are up are listed by kind', (t) => {
    t.diagnostic(JSON.stringify(found.tunnels));
    assert.ok(tunnels.includes('tunnel0'), 'this kernel makes a vxlan');
    const { entries, state } = found.tunnels!;
    assert.equal(state, 'warn');
    const up = entries!.filter((entry) => entry.up === true);
    assert.deepEqual(
      up.map(({ name }) => name),
      tunnels,
    );
    const kinds = ['vxlan', 'tun', 'tap', 'wireguard', 'ipip', 'gre', 'gretap or the like'];
    assert.deepEqual(
      up.map(({ kind }) => kind),
      tunnels.map((name) => kinds[Number(name.slice(-1))]),
    );
  });

  test('MPTCP that follows what peers announce is a warning', () => {
    assert.equal(found.mptcp!.state, 'warn');
    assert.match(found.mptcp!.what, /up to 1 addresses/);
  });

  test('raw and packet sockets are listed with their owner, and whether it may open them', () => {
    const listed = found.sockets!.entries!.filter(({ command }) => command === 'python3');
    assert.deepEqual(
      listed.map(({ kind, opening, uid }) => [kind, opening, uid]),
      [
        ['raw', 'denied', 0],
        ['packet', 'denied', 0],
      ],
    );
  });

  test('connections that were opened here and are not allowed are listed, accepted ones are not', () => {
    const listed = found.connections!.entries!.filter(({ command }) => command === 'python3');
    assert.deepEqual(
      listed.map(({ address, outlook, port, protocol }) => [protocol, address, port, outlook]).toSorted(),
      [
        ['tcp', '10.0.3.10', 8080, 'denied'],
        ['udp', '2001:db8::7', 514, 'denied'],
      ],
    );
    assert.equal(found.connections!.state, 'warn');
  });

  test('the session that an ancestor has accepted is found without the variable that sudo takes away', () => {
    assert.match(found.ssh!.what, /^The session from 127\.0\.0\.1 goes on/);
  });

  test('the session that sshd names is said to go on, and what the policy denies to its other end', () => {
    const session = ['env', 'SSH_CONNECTION=198.51.100.7 51234 192.0.2.1 22'];
    const { ssh } = findings(run(...session, ...BOUHEKI, 'enforce', part, '--dry-run', '--json', '--db', db));
    assert.match(
      ssh!.what,
      /^The session from 198\.51\.100\.7 goes on.* No rule allows this host to connect to /,
    );
  });
});

test('a process in another network namespace is looked at too', async () => {
  const script = `
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.connect(('127.9.9.9', 9))
print('ready', flush=True)
sys.stdin.read()
`;
  const child = spawn('unshare', ['-n', 'sh', '-c', 'ip link set lo up; exec python3 -c "$0"', script]);
  await once(child.stdout, 'data');
  const denied = policyOf('no-loopback.yaml', CURL, PYTHON);
  const { connections, loopback } = findings(bouheki('enforce', denied, '--dry-run', '--json', '--db', db));
  child.kill();
  const listed = connections!.entries!.find(({ address }) => address === '127.9.9.9');
  assert.equal(listed?.pid, child.pid);
  assert.equal(loopback!.state, 'warn');
});
