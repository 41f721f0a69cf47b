import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { directoryFor, FLOW_ROWS, runCommand } from './fixture.ts';

const EVENT = '[1795168800.5]\t [NEW] tcp 6 120 SYN_SENT src=10.0.0.5 dst=192.0.2.7 sport=45012 dport=443';
const SECOND = EVENT.replace('0.2.7', '0.2.8').replace('800.5', '900.5');
const SNAPSHOT = `Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process
tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=7,fd=3))
tcp ESTAB 0 0 10.0.0.5:45012 192.0.2.9:443 users:(("curl",pid=9,fd=3))
`;

function filesFor(t: TestContext) {
  const directory = directoryFor(t);
  const file = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  const db = join(directory, 'bouheki.duckdb');
  const run = (...args: string[]) => runCommand('import', ...args, '--db', db);
  const policy = (...args: string[]) => runCommand('generate', ...args, '--db', db);
  return { db, file, policy, run };
}

test('the format is taken from what a file begins with, and said', (t) => {
  const { file, run } = filesFor(t);
  const log = file('a.log', `${EVENT}\n`);
  const { status, stderr } = run(log, '--local', '10.0.0.5');
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^Read as conntrack, by what it begins with\.\nImported 1 rows/);
  assert.match(run(file('b.csv', FLOW_ROWS)).stderr, /^Read as csv/);
  assert.match(run(file('c.json', '{"a":1}\n')).stderr, /c\.json does not say by its first line what it is/);
  assert.match(run('-').stderr, /standard input can be anything/);
  assert.match(run(log, log).stderr, /a\.log is named twice/);
  const mixed = run(log, file('d.csv', FLOW_ROWS));
  assert.match(mixed.stderr, /a\.log is conntrack, and .*d\.csv is csv/);
});

test('several files are imported all or not at all, and none twice', (t) => {
  const { db, file, run } = filesFor(t);
  const [first, second] = [file('a.log', `${EVENT}\n`), file('b.log', `${SECOND}\n`)];
  const cut = file('c.log', `${SECOND}\n[17951`);
  const local = ['--local', '10.0.0.0/8', '--format', 'conntrack'];
  const refused = run(first, cut, ...local);
  assert.equal(refused.status, 2);
  assert.match(refused.stderr, /c\.log:2:1: no event such as \[NEW\]/);
  assert.equal(existsSync(db), false);
  assert.match(run(first, second, ...local).stderr, /^Imported 2 rows/);
  assert.match(run(second, first, ...local).stderr, /has every row of .*b\.log and 1 other file already/);
  assert.match(run(first, ...local, '--again').stderr, /The record had 1 of these rows before/);
});

test('rows without a process get no rule but one that is asked for, which says that it is for all', (t) => {
  const { file, policy, run } = filesFor(t);
  const main = join(import.meta.dirname, '../../../bundle/main.js');
  run(file('a.log', `${EVENT}\n${SECOND}\n`), '--local', '10.0.0.0/8');
  const none = policy();
  assert.equal(none.status, 2);
  assert.match(none.stderr, /every observation was left out: no process known/);
  run(file('b.csv', FLOW_ROWS));
  const mixed = policy();
  assert.equal(mixed.status, 0, mixed.stderr);
  assert.match(
    mixed.stdout,
    /# Not allowed \(no process known\): no process, as .*, 2 events to 2 destinations/,
  );
  assert.doesNotMatch(mixed.stdout, /192\.0\.2/);
  const all = policy('--by', 'host', '--prove');
  assert.equal(all.status, 0, all.stderr);
  assert.match(all.stdout, /# Subjects: none \(--by host\); every process may go where any was seen/);
  assert.match(all.stdout, /name: any process/);
  assert.match(all.stdout, /192\.0\.2\.7/);
  assert.doesNotMatch(all.stdout, /from:/);
  const checked = spawnSync(process.execPath, [main, 'check', file('p.yaml', all.stdout)], {
    encoding: 'utf8',
  });
  // It warns that loopback and the name server are not allowed.
  assert.equal(checked.status, 1, checked.stderr);
});

test('a snapshot without users gives rules by name alone, for those who ask for them', (t) => {
  const { file, policy, run } = filesFor(t);
  const { status, stderr } = run(file('ss.txt', SNAPSHOT), '--at', '2026-11-20T10:00:00Z', '--host', 'web1');
  assert.equal(status, 0, stderr);
  assert.match(policy().stderr, /every observation was left out: program unknown/);
  const { stdout } = policy('--allow-command-rules');
  assert.match(stdout, /from: \{ command: \[curl\] \}/);
  assert.doesNotMatch(stdout, /4294967295/);
});
