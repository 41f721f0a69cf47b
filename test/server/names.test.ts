/**
 * Rules by name hold for what programs of this host ask, by a stub or without one, while the addresses of the name change
 * each second. Long with BOUHEKI_LONG.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { bouheki, query, Running } from '../e2e/bouheki.ts';
import { folder, run, startNetwork, stopNetwork, succeeded } from '../e2e/guest.ts';
import { installStubs, Stub, WAYS, WITH_BUS } from './stub.ts';

const long = process.env['BOUHEKI_LONG'] !== undefined;
/** Look-ups of each client by each way, with a connection at once. curl, which is started for each, makes fewer. */
const LEARNT = 20;
const TRIED = long ? 580 : 40;
const FEWER = 20;
/** With a bus nss-resolve asks as it does without: that is for the flush alone. */
const EACH = Object.keys(WAYS).filter((way) => way !== WITH_BUS);
/** For which the daemon may not yet have seen a resolver that has just started; it looks each second. */
const SEEN = 2500;

const place = folder();
const db = join(place, 'record.duckdb');
const enforced = join(place, 'enforced.duckdb');
const byName = join(place, 'name.yaml');
const byAddress = join(place, 'address.yaml');
const POOL = Array.from({ length: 64 }, (_, at) => `93.184.216.${at}`);

const PYTHON = `
import errno, socket, sys
denied = 0
for _ in range(int(sys.argv[1])):
    with socket.socket() as made:
        made.settimeout(30)
        try:
            made.connect((socket.gethostbyname(sys.argv[2]), 80))
        except PermissionError:
            denied += 1
print(denied)
`;
const NODE = `
const { lookup, resolve4 } = require('node:dns').promises;
const { connect } = require('node:net');
const [how, count, name] = process.argv.slice(1);
const isDenied = (address) => new Promise((resolve, reject) => {
  const made = connect(80, address, () => resolve(made.destroy() && 0));
  made.once('error', (error) => error.code === 'EPERM' ? resolve(1) : reject(error));
});
(async () => {
  let denied = 0;
  for (let at = 0; at < Number(count); at += 1)
    denied += await isDenied(how === 'c-ares' ? (await resolve4(name))[0] : (await lookup(name, 4)).address);
  console.log(denied);
})();
`;
const CURL =
  'for at in $(seq $0); do curl -s -o /dev/null --max-time 30 "http://$1/" || echo denied; done | wc -l';

/** How often Python is denied what it looks up and connects to once. */
function tries(name: string): string {
  const { stderr, stdout } = run('python3', '-c', PYTHON, '1', name);
  return stdout.trim() || stderr;
}

/** How often each client looks a name up and connects, and how often it is denied. */
function visit(count: number, name: string): Record<string, string> {
  const few = String(Math.ceil(count / FEWER));
  const all = String(count);
  const clients: Record<string, readonly string[]> = {
    python: ['python3', '-c', PYTHON, all, name],
    node: [process.execPath, '-e', NODE, 'getaddrinfo', all, name],
    'c-ares': [process.execPath, '-e', NODE, 'c-ares', all, name],
    curl: ['sh', '-c', CURL, few, name],
  };
  const ended = Object.entries(clients).map(([client, words]) => {
    const { stderr, stdout } = run(...words);
    return [client, stdout.trim() || stderr] as const;
  });
  return Object.fromEntries(ended);
}

const zone = (warm: string): void =>
  writeFileSync(
    join(place, 'zone.json'),
    JSON.stringify({
      'cdn.test': POOL,
      'other.test': ['93.184.217.1'],
      'warm.test': [warm],
      ttl: { 'warm.test': 3600 },
    }),
  );

/** What a name has, as the C library says. */
function addressOf(name: string): string | undefined {
  return run('getent', 'ahostsv4', name).stdout.split(' ')[0];
}

const NONE = { python: '0', node: '0', 'c-ares': '0', curl: '0' };

before(() => {
  startNetwork();
  installStubs();
  zone('93.184.218.1');
  succeeded(run('ip', 'netns', 'exec', 'servers', 'test/vm/resolver', join(place, 'zone.json')));
});
after(stopNetwork);

test('what is asked by each way becomes rules by name', async (t) => {
  const learn = await Running.start('learn', '--db', db);
  for (const way of EACH) {
    await using _stub = await Stub.start(way, 'cdn.test');
    await wait(SEEN);
    assert.deepEqual(visit(LEARNT, 'cdn.test'), NONE, way);
  }
  const { stderr } = succeeded(await learn.end('SIGINT'));
  const known = await query<{ name: string }>(
    db,
    `SELECT name, name_known, sum(count)::INTEGER AS count FROM connections WHERE port = 80 GROUP BY ALL ORDER BY ALL`,
  );
  t.diagnostic(JSON.stringify(known));
  assert.deepEqual([...new Set(known.map(({ name }) => name))], ['cdn.test'], stderr);
  const options = ['--db', db, '--mode', 'block'];
  succeeded(bouheki('generate', ...options, '--output', byName));
  succeeded(bouheki('generate', ...options, '--destinations', 'address', '--output', byAddress));
  const { stdout } = succeeded(run('cat', byName));
  assert.match(stdout, /name: \[cdn\.test/);
  assert.doesNotMatch(stdout, /93\.184/);
});

test('under these each connection after a look-up is allowed, and nothing else', async (t) => {
  const enforce = await Running.start('enforce', byName, '--db', enforced);
  for (const way of EACH) {
    await using _stub = await Stub.start(way, 'cdn.test');
    await wait(SEEN);
    assert.deepEqual(visit(TRIED, 'cdn.test'), NONE, `${way}\n${enforce.stderr}${enforce.stdout}`);
    assert.equal(tries('other.test'), '1', way);
    assert.equal(tries('93.184.217.9'), '1', `${way}: an address that was not looked up`);
  }
  succeeded(await enforce.end('SIGINT'));
  const [row] = await query<{ all: number }>(
    enforced,
    `SELECT sum(count)::INTEGER AS all FROM connections WHERE name = 'cdn.test' AND verdict = 'allow'`,
  );
  t.diagnostic(`${row!.all} look-ups with connections by ${EACH.join(', ')}: 0 denied`);
});

test('by address most of it is denied', async (t) => {
  const { stdout } = bouheki('drift', byAddress, '--db', enforced, '--json');
  const { new: found } = JSON.parse(stdout) as { new: { names?: string[]; count: number }[] };
  const denied = found.filter(({ names }) => names?.includes('cdn.test'));
  const count = denied.reduce((sum, each) => sum + each.count, 0);
  const [row] = await query<{ all: number }>(
    enforced,
    `SELECT sum(count)::INTEGER AS all FROM connections WHERE name = 'cdn.test' AND verdict = 'allow'`,
  );
  t.diagnostic(`by address ${count} of ${row!.all} connections to cdn.test are not allowed`);
  assert(count > 0);
});

test('what systemd-resolved has kept from before is asked for again when a policy goes by names', async () => {
  const policy = join(place, 'warm.yaml');
  const rules = `[{ to: [{ cidr: [loopback] }, { port: [53] }] }, { to: [{ name: [warm.test], port: [80] }] }]`;
  writeFileSync(policy, `version: 2\nnetwork: { mode: block, allow: ${rules} }\n`, { mode: 0o600 });
  await using _stub = await Stub.start(WITH_BUS, 'warm.test');
  zone('93.184.218.2');
  assert.equal(addressOf('warm.test'), '93.184.218.1', 'it is kept');
  const enforce = await Running.start('enforce', policy, '--db', join(place, 'warm.duckdb'));
  await enforce.until(/^Flushed the cache of systemd-resolved/m);
  assert.equal(addressOf('warm.test'), '93.184.218.2');
  assert.equal(tries('warm.test'), '0', enforce.stderr);
  assert.equal(tries('93.184.218.1'), '1');
  succeeded(await enforce.end('SIGINT'));
});
