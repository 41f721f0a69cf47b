/** `enforce --backstop`: ways out that the hooks are not shown end at the last look, and are counted. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { hostAttachment } from '../../bpf/probe.ts';
import { ping, policyAgainst, pythonTo } from './attempt.ts';
import { bouheki, Running } from './bouheki.ts';
import { folder, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const DENIED = '203.0.113.7';
/** No rule denies them; the administrator of the network sends what goes there to the denied address. */
const TRANSLATED = '10.0.9.9';

const place = folder();
const db = join(place, 'record.duckdb');

const policy = join(place, 'policy.yaml');
const POLICY = policyAgainst(DENIED);

/** The ways out: by name, whether they reach the denied address. */
function waysOut(): Record<string, string> {
  return {
    'header of its own': run(...ping(DENIED, '10.0.1.1')).stdout.trim(),
    'translated datagram': pythonTo('udp', TRANSLATED, 514),
    'translated connection': pythonTo('tcp', TRANSLATED, 80, 2),
  };
}

before(() => {
  writeFileSync(policy, POLICY, { mode: 0o600 });
  startNetwork();
  succeeded(
    run('iptables', '-t', 'nat', '-A', 'OUTPUT', '-d', TRANSLATED, '-j', 'DNAT', '--to-destination', DENIED),
  );
});
after(() => {
  succeeded(run('iptables', '-t', 'nat', '-F', 'OUTPUT'));
  stopNetwork();
});

test('without the backstop these ways lead to a denied address', async () => {
  const enforce = await Running.start('enforce', policy, '--db', db);
  assert.deepEqual(Object.values(waysOut()), ['reached', 'reached', 'reached']);
  assert.equal(pythonTo('udp', DENIED, 514), 'EPERM');
  const { stderr } = await enforce.end('SIGINT');
  assert.match(stderr, /^Packets with a source route are dropped: no entry allows source-route\.$/m);
});

suite('with the backstop', () => {
  let enforce: Running;
  before(async () => {
    enforce = await Running.start('enforce', policy, '--db', db, '--backstop');
  });
  after(async () => {
    await enforce.end('SIGINT');
  });

  test('they end there, and what is allowed goes on', async () => {
    await enforce.until(/^The backstop drops packets to the addresses of 1 deny entries\.$/m);
    const { 'translated connection': connection, ...rest } = waysOut();
    assert.deepEqual(rest, { 'header of its own': 'EPERM', 'translated datagram': 'EPERM' });
    assert.notEqual(connection, 'reached');
    assert.equal(run(...ping('10.0.1.1')).stdout, 'reached\n');
    assert.equal(pythonTo('tcp', '10.0.1.1', 80), 'reached');
  });

  test('what names the address is denied by the hooks, with its process, as before', async () => {
    assert.equal(pythonTo('tcp', DENIED, 80), 'EPERM');
    const { Comm, Rule } = await enforce.logged({ Addr: DENIED });
    assert.deepEqual({ Comm, Rule }, { Comm: 'python3', Rule: 'nobody' });
  });

  test('dropped packets are counted in messages and in status', async () => {
    await enforce.until(/^The backstop dropped \d+ packets? to addresses that the policy denies\.$/m);
    const { recorder } = JSON.parse(succeeded(bouheki('status', '--db', db, '--json')).stdout) as {
      recorder: { watch: { backend: string; stoppedPackets: number } };
    };
    // The raw socket's, the datagram, and the first of the connection at least.
    assert.equal(recorder.watch.backend, hostAttachment().attachment.backend);
    assert.ok(recorder.watch.stoppedPackets >= 3, String(recorder.watch.stoppedPackets));
    const { status, stderr } = await enforce.end('SIGINT');
    assert.equal(status, 0, stderr);
    const told = [...stderr.matchAll(/^The backstop dropped (\d+) packets? /gm)].map(([, count]) =>
      Number(count),
    );
    assert.equal(
      told.reduce((sum, count) => sum + count, 0),
      recorder.watch.stoppedPackets,
      'every one of them is told once',
    );
    assert.deepEqual(Object.values(waysOut()), ['reached', 'reached', 'reached']);
  });
});
