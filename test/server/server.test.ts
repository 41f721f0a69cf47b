/** Servers that speak UDP, learnt with their clients, answer them under the policy that was made of it. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bouheki, query, Running } from '../e2e/bouheki.ts';
import { folder, startNetwork, stopNetwork, succeeded } from '../e2e/guest.ts';
import { ANSWERS, answers, fetchesByTftp, installServers, said, Servers } from './server.ts';

const place = folder();
const db = join(place, 'record.duckdb');
const enforced = join(place, 'enforced.duckdb');
const generated = join(place, 'generated.yaml');
const policy = join(place, 'policy.yaml');

/** The ports of two clients of tftpd. */
const LEARNT = 7069;
const OTHER = 7070;

before(() => {
  startNetwork();
  installServers();
});
after(stopNetwork);

test('learn records what the clients ask for, of the servers what they ask themselves, and of tftpd its answer', async () => {
  const learn = await Running.start('learn', '--db', db);
  await using _ = await Servers.start();
  assert.deepEqual(answers(), ANSWERS, said());
  assert.ok(fetchesByTftp(LEARNT, 30), said());
  const { status, stderr } = await learn.end('SIGINT');
  assert.equal(status, 0, stderr);
  const rows = await query(
    db,
    `SELECT DISTINCT regexp_extract(exe, '[^/]*$') AS program, port FROM connections
     WHERE operation IN ('send', 'connect') AND exe NOT LIKE '%/python3%' ORDER BY ALL`,
  );
  assert.deepEqual(rows, [
    { program: 'chronyd', port: 11123 },
    { program: 'dnsmasq', port: 5311 },
    { program: 'gtlsclient', port: 4433 },
    { program: 'in.tftpd', port: LEARNT },
    { program: 'systemd-resolved', port: 5311 },
  ]);
  const { stdout } = succeeded(bouheki('generate', '--mode', 'block', '--db', db));
  for (const file of [generated, policy]) writeFileSync(file, stdout, { mode: 0o600 });
});

test('under that policy they answer, tftpd at the port of its learnt client alone, and drift lists what the log does', async () => {
  const enforce = await Running.start('enforce', policy, '--db', enforced);
  await using _ = await Servers.start();
  assert.deepEqual(answers(), ANSWERS, said() + enforce.stdout);
  assert.ok(fetchesByTftp(LEARNT, 30), said());
  assert.deepEqual(enforce.log, []);
  assert.ok(!fetchesByTftp(OTHER, 1));
  await enforce.logged({ Addr: '10.0.0.2', Port: OTHER });
  const { length } = enforce.stderr;
  const rule = `{ name: clients of tftpd, from: { exe: [/usr/sbin/in.tftpd] }, to: [{ cidr: [10.0.0.0/24], port: [1024-65535], protocol: [udp] }] }`;
  writeFileSync(policy, readFileSync(generated, 'utf8').replace(/^ {2}allow:$/m, `$&\n    - ${rule}`));
  enforce.signal('SIGHUP');
  await enforce.until(/^Blocking by /m, length);
  assert.ok(fetchesByTftp(OTHER, 30), enforce.stderr);
  const { status, stderr } = await enforce.end('SIGINT');
  assert.equal(status, 0, stderr);
  const logged = new Set(enforce.log.map(({ Exe, Addr, Port }) => [Exe, Addr, Port].join(' ')));
  assert.deepEqual([...logged], [`/usr/sbin/in.tftpd 10.0.0.2 ${OTHER}`]);
  const { stdout } = bouheki('drift', generated, '--json', '--db', enforced);
  const drift = JSON.parse(stdout) as Record<
    'new' | 'denied',
    { exe: string; address: string; port: number }[]
  >;
  for (const kind of ['denied', 'new'] as const)
    assert.deepEqual(
      drift[kind].map(({ exe, address, port }) => [exe, address, port].join(' ')),
      [...logged],
      'new: when the rule had been added',
    );
});
