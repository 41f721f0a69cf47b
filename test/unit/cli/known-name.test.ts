/** What commands say of the names that addresses were known by. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { parsePolicy } from '../../../policy/file/parse.ts';
import { Known } from '../../../profiler/event/columns.ts';
import type { LossKind } from '../../../profiler/event/dimension.ts';
import { directoryFor, type Outcome, record, runCommand } from './fixture.ts';

const POLICY = `version: 2
network:
  mode: block
  allow:
    - name: web
      from: { exe: [/usr/bin/curl] }
      to: [{ cidr: [10.0.0.1/32], port: [443], protocol: [tcp] }]
`;

const EVENTS = [
  { port: 8443, names: ['api.example', 'www.example'], known: Known.self },
  { port: 8443, names: ['api.example'], known: Known.self },
  { port: 8444, names: ['@all|\u{9b}<b>.example'], known: Known.host },
  { family: 6, high: 0xfd00_0000_0000_0000n, names: ['six.example'], known: Known.cgroup },
  { port: 22 },
] as const;

type Command = (name: Parameters<typeof runCommand>[0], ...args: string[]) => Outcome;

async function made(t: TestContext, lost?: LossKind): Promise<{ run: Command; policy: string }> {
  const directory = directoryFor(t);
  const policy = join(directory, 'policy.yaml');
  writeFileSync(policy, POLICY);
  const db = await record(directory, EVENTS, {}, (recording) => {
    if (lost !== undefined) recording.recordLoss(lost, 3);
  });
  return { run: (name, ...args) => runCommand(name, ...args, '--db', db), policy };
}

test('drift says by name where it went, in every format', async (t) => {
  const { run, policy } = await made(t);
  const text = run('drift', policy).stdout;
  assert.match(text, /  tcp api\.example:8443 \(10\.0\.0\.1\) +2 /);
  assert.match(text, /  tcp six\.example:443 \(fd00::a00:1\) +1 /);
  assert.match(text, /  tcp 10\.0\.0\.1:22 +1 /);
  assert.match(text, /  tcp @all\|\\194\\155<b>\.example:8444 \(10\.0\.0\.1\)/);
  const { new: entries } = JSON.parse(run('drift', policy, '--json').stdout) as {
    new: { port: number; names?: string[] }[];
  };
  assert.deepEqual(
    entries.map(({ port, names }) => [port, names]),
    [
      [22, undefined],
      [8443, ['api.example']],
      [8444, ['@all|\\194\\155<b>.example']],
      [443, ['six.example']],
    ],
  );
  const markdown = run('drift', policy, '--format', 'markdown').stdout;
  assert.match(markdown, /\| tcp api\.example:8443 \(10\.0\.0\.1\) \| 2 \|/);
  assert.match(markdown, /\| tcp @<!-- -->all\\\|\\\\194\\\\155\\<b\\>\.example:8444 /);
});

test('a generated policy says by what name its addresses were known, and means the same', async (t) => {
  const { run } = await made(t);
  const { stdout: short } = run('generate');
  assert.match(short, /, known by api\.example, @all\|\\194\\155<b>\.example and others$/m);
  const { stdout, stderr } = run('generate', '--evidence', 'full');
  assert.match(stdout, /# known by api\.example, @all\|\\194\\155<b>\.example, six\.example$/m, stderr);
  assert.ok(parsePolicy(stdout, 'policy.yaml').policy !== undefined);
});

test('review shows the names of what it asks about', async (t) => {
  const { run, policy } = await made(t);
  writeFileSync(policy, run('generate').stdout);
  const { items } = JSON.parse(run('review', policy, '--json').stdout) as {
    items: { destination: string; names?: string[] }[];
  };
  assert.deepEqual(items.find(({ destination }) => destination === '10.0.0.1:8444/tcp')?.names, [
    '@all|\\194\\155<b>.example',
  ]);
  assert.ok(!('names' in items.find(({ destination }) => destination === '10.0.0.1:22/tcp')!));
});

test('status counts connections with a name, and answers that were not read are told apart from events', async (t) => {
  const { run, policy } = await made(t, 'answer');
  const { stdout } = run('status');
  assert.match(
    stdout,
    /^Names +4 connections to an address with a name; 3 answers of resolvers were not read$/m,
  );
  const { extent, losses } = JSON.parse(run('status', '--json').stdout) as {
    extent: { named: number };
    losses: unknown[];
  };
  assert.deepEqual([extent.named, losses], [4, [{ recording: 1, kind: 'answer', count: 3 }]]);
  const generated = run('generate');
  assert.equal(generated.status, 0, 'no event is missing');
  assert.match(generated.stdout, /^# Losses: 3 answer$/m);
  const { stderr } = run('drift', policy);
  assert.match(stderr, /^3 answers of resolvers were not read: names may be missing\.$/m);
  assert.doesNotMatch(stderr, /lacks events/);
});

test('a record without names says nothing of them', async (t) => {
  const directory = directoryFor(t);
  const db = await record(directory, [{}]);
  assert.doesNotMatch(runCommand('status', '--db', db).stdout, /Names/);
  assert.doesNotMatch(runCommand('generate', '--db', db).stdout, /known by/);
});

/** Events of two programs at public addresses. */
const PUBLIC = [
  { low: 0x01010101n, names: ['api.example'], known: Known.self, age: -5 },
  { low: 0x01010102n, names: ['api.example'], known: Known.self, age: 4000 },
  { low: 0x01010103n },
] as const;

test('a policy is generated by name where that is asked for, and allows all that was recorded', async (t) => {
  const directory = directoryFor(t);
  const db = await record(directory, PUBLIC);
  const policy = join(directory, 'named.yaml');
  const { status, stderr } = runCommand(
    'generate',
    '--db',
    db,
    '--destinations',
    'auto',
    '--output',
    policy,
    '--prove',
  );
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^Proved: without any one entry some of the 3 events would be denied\.$/m);
  const text = readFileSync(policy, 'utf8');
  assert.match(text, /- \{ name: \[api\.example\], port: \[443\], protocol: \[tcp\], keep: 6h \}/);
  assert.match(text, /- \{ cidr: \[1\.1\.1\.3\], port: \[443\], protocol: \[tcp\] \}/);
  assert.match(
    text,
    /^# Names: 2 events by 1 name, 2 addresses seen; 2 asked by the program itself; keep 6h covers all/m,
  );
  const drift = runCommand('drift', policy, '--db', db);
  assert.deepEqual([drift.status, drift.stdout], [0, ''], drift.stderr);
  const { items } = JSON.parse(runCommand('review', policy, '--json', '--db', db).stdout) as {
    items: { destination: string }[];
  };
  assert.deepEqual(
    items.map(({ destination }) => destination),
    ['1.1.1.3:443/tcp'],
  );
  for (const by of ['auto', 'name', 'address']) {
    const again = runCommand('generate', '--db', db, '--destinations', by, '--base', policy, '--check');
    assert.deepEqual([again.status, again.stderr], [0, 'Nothing to add.\n'], by);
  }
});

test('where names are asked for, what stays by address is said', async (t) => {
  const db = await record(directoryFor(t), PUBLIC);
  const asked = runCommand('generate', '--db', db, '--destinations', 'name');
  assert.match(
    asked.stderr,
    /^By address, as events there had no name .*: 1 public destination:\n  .*curl.*: 1 destination, such as 1\.1\.1\.3:443\/tcp$/m,
  );
  assert.doesNotMatch(runCommand('generate', '--db', db).stderr, /By address/);
});

test('what has addresses alone does not go by name', async (t) => {
  const db = await record(directoryFor(t), PUBLIC);
  for (const other of [['--layout', 'flat'], ['--curve']]) {
    const { status, stderr } = runCommand('generate', '--db', db, '--destinations', 'name', ...other);
    assert.equal(status, 2);
    assert.match(stderr, /--destinations name does not go with --(?:layout flat|curve)/);
  }
  for (const others of [
    ['--layout', 'flat'],
    ['--destinations', 'address'],
  ])
    assert.doesNotMatch(runCommand('generate', '--db', db, ...others).stdout, /name: \[/);
  assert.match(runCommand('generate', '--db', db).stdout, /name: \[/);
});
