/** `ladder`: a subject whose record is steady is blocked while all others are monitored, and taken down again. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { curl, pythonTo } from './attempt.ts';
import { bouheki, Running } from './bouheki.ts';
import { folder, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const place = folder();
const db = join(place, 'record.duckdb');
const file = join(place, 'policy.yaml');
const QUIET = ['--quiet', '10s'];
let enforce: Running;

/** How curl's connection to an address ended: its exit status. */
const status = (address: string) => run(...curl(`http://${address}/`)).status;

before(async () => {
  startNetwork();
  const began = Date.now() / 1000 - 3 * 3600;
  const rows = Array.from({ length: 3000 }, (_, at) => {
    const time = new Date((began + at * 3.5) * 1000).toISOString();
    return `${time},bouheki-vm,7,curl,/usr/bin/curl,0,0,,,10.0.1.1,80,tcp,1`;
  });
  const table = join(place, 'before.csv');
  writeFileSync(
    table,
    ['ts,host,pid,comm,exe,uid,gid,container,image,addr,port,protocol,count', ...rows, ''].join('\n'),
  );
  succeeded(bouheki('import', table, '--db', db));
  const rules = [
    `    - { name: web, from: { exe: [${run('readlink', '-f', '/usr/bin/curl').stdout.trim()}], uid: [0] }, to: [{ cidr: [10.0.1.1] }] }`,
    '    - { name: rest, from: { uid: [4711] }, to: [{ cidr: [10.0.1.9] }] }',
  ];
  const policy = ['version: 2', 'network:', '  mode: monitor', '  target: host', '  allow:', ...rules, ''];
  writeFileSync(file, policy.join('\n'), { mode: 0o600 });
  enforce = await Running.start('enforce', file, '--db', db);
  assert.equal(status('10.0.1.1'), 0);
  await wait(12_000);
});

after(async () => {
  await enforce.end('SIGTERM');
  stopNetwork();
});

test('who is ready is blocked in the kernel, and who is not is only monitored', () => {
  assert.equal(status('10.0.1.2'), 0, 'monitored before');
  const early = bouheki('ladder', file, '--db', db, '--climb', '--quiet', '1h');
  assert.match(early.stdout, /^web +waiting .*1 event of the last 1h would be blocked, the last at /m);
  assert.match(early.stderr, /^No step to take\.$/m);
  run('sleep', '11');
  const climbed = bouheki('ladder', file, '--db', db, '--climb', '--apply', ...QUIET);
  assert.equal(climbed.status, 0, climbed.stderr);
  assert.match(climbed.stdout, /^web +ready /m);
  assert.match(climbed.stdout, /^rest +waiting +0 +it is not in the record$/m);
  assert.match(climbed.stderr, /^web: blocked from now on \(/m);
  assert.match(readFileSync(file, 'utf8'), /^ {4}- name: web\n {6}from: .*\n {6}mode: block$/m);
  assert.notEqual(status('10.0.1.2'), 0);
  assert.equal(status('10.0.1.1'), 0);
  assert.equal(pythonTo('tcp', '10.0.1.2', 80), 'reached', 'no rule names it');
});

test('one step back opens it again', () => {
  const down = bouheki('ladder', file, '--db', db, '--down', 'web', '--apply');
  assert.equal(down.status, 0, down.stderr);
  assert.equal(status('10.0.1.2'), 0);
});
