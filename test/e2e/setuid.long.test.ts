/** A set-user-id program is one subject with two users: recorded, generated, enforced. */
import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { curl, curlRefused } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { asUser, folder, run, startNetwork, stopNetwork, succeeded, USER } from './guest.ts';

const place = folder();
const db = join(place, 'setuid.duckdb');
const policy = join(place, 'policy.yaml');
/** curl that runs as root, whichever user starts it. */
const program = join(place, 'curl-as-root');

const setuidCurl = (url: string): string[] => [program, ...curl(url).slice(1)];

before(async () => {
  startNetwork();
  chmodSync(place, 0o755);
  copyFileSync('/usr/bin/curl', program);
  chmodSync(program, 0o4755);
  // The guest's own file: nothing of it outlives the guest.
  if (run('getent', 'passwd', String(USER)).status !== 0) {
    appendFileSync('/etc/passwd', `ada:x:${USER}:${USER}::/:/bin/sh\n`);
  }
  const learn = await Running.start('learn', '--db', db);
  succeeded(asUser(USER, ...setuidCurl('http://10.0.1.1/')));
  assert.equal((await learn.end('SIGINT')).status, 0);
  const { stdout } = succeeded(bouheki('generate', '--db', db, '--mode', 'block'));
  writeFileSync(policy, stdout);
});

after(stopNetwork);

test('the record has the real user and the effective one, by number and by name', async () => {
  const user = run('id', '-nu', String(USER)).stdout.trim();
  const sql = `SELECT DISTINCT uid, euid, fsuid, gid, egid, user_name, euser_name FROM connections WHERE exe = '${program}'`;
  assert.deepEqual(await query(db, sql), [
    { uid: USER, euid: 0, fsuid: 0, gid: USER, egid: USER, user_name: user, euser_name: 'root' },
  ]);
});

test('the policy names both users, and asks for a review of what that means', () => {
  const text = readFileSync(policy, 'utf8');
  assert.match(text, new RegExp(`exe: \\[${program}\\], uid: \\[0, ${USER}\\]`));
  assert.match(text, new RegExp(`, uid 0 \\(root\\), ${USER} \\(\\w+\\)$`, 'm'));
  assert.match(text, new RegExp(`# review: .*process with user ids 0 and ${USER}, each of which`));
});

test('in force it allows the program what it did, and no other program of that user', async () => {
  const enforce = await Running.start('enforce', policy, '--db', db);
  const again = asUser(USER, ...setuidCurl('http://10.0.1.1/'));
  const elsewhere = asUser(USER, ...setuidCurl('http://10.0.1.2/'));
  const plain = asUser(USER, ...curl('http://10.0.1.1/'));
  const line = await enforce.logged({ Comm: 'curl', UID: USER });
  assert.equal((await enforce.end('SIGINT')).status, 0);
  assert.equal(succeeded(again).stdout, 'hello from 10.0.1.1 port 80\n');
  assert.ok(curlRefused(elsewhere), elsewhere.stderr);
  assert.ok(curlRefused(plain), plain.stderr);
  assert.equal(line.User, run('id', '-nu', String(USER)).stdout.trim());
});

test('replaying the record against the policy finds what was refused, and no denial of what was learnt', () => {
  const { status, stdout } = bouheki('drift', policy, '--db', db, '--json');
  assert.equal(status, 1);
  const drift = JSON.parse(stdout) as { new: unknown[]; denied: { exe: string; address: string }[] };
  assert.deepEqual(drift.new, []);
  const where = drift.denied.map(({ exe, address }) => `${exe} ${address}`);
  assert.deepEqual(where.toSorted(), [`${program} 10.0.1.2`, '/usr/bin/curl 10.0.1.1'].toSorted());
});
