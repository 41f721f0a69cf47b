/** What commands say of the names that addresses were known by. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
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
  const { stdout, stderr } = run('generate');
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
