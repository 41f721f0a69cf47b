/** When a package is upgraded, the path in a rule means another file: `enforce` follows it, and a user's id too. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Running } from './bouheki.ts';
import { folder } from './guest.ts';

const PROGRAM = join(import.meta.dirname, '../kernel/identity/attempt');
const place = folder();
const tool = join(place, 'tool');
const file = join(place, 'policy.yaml');
let enforce: Running;

/** As a package manager does: the new file is complete before it takes the place of the old one. */
function install(): void {
  copyFileSync(PROGRAM, `${tool}.new`);
  renameSync(`${tool}.new`, tool);
}

/** As an installer does that keeps versions beside each other. */
function installVersion(version: string): string {
  mkdirSync(join(place, 'app', version), { recursive: true });
  const run = join(place, 'app', version, 'run');
  copyFileSync(PROGRAM, run);
  return run;
}

/** As usermod does: the new file is complete before it takes the place of the old one. */
function giveId(name: string, uid: number): void {
  const others = readFileSync('/etc/passwd', 'utf8').replace(new RegExp(`^${name}:.*\\n`, 'm'), '');
  writeFileSync('/etc/passwd+', `${others}${name}:x:${uid}:${uid}::/:/bin/sh\n`);
  renameSync('/etc/passwd+', '/etc/passwd');
}

const told = (path: string, uid = 0) => execFileSync(path, { encoding: 'utf8', uid, gid: uid }).trim();

before(async () => {
  install();
  chmodSync(place, 0o755);
  installVersion('1.0');
  giveId('ada', 4321);
  const versions = `{ from: { exe: ["${place}/app/*/run"], user: [ada] } }`;
  writeFileSync(
    file,
    `version: 2\nnetwork: { mode: block, allow: [{ from: { exe: [${tool}] } }, ${versions}] }\n`,
  );
  chmodSync(file, 0o600);
  enforce = await Running.start('enforce', file, '--db', join(place, 'record.duckdb'));
});
after(() => enforce.end('SIGTERM'));

test('the new file of an upgraded program is allowed, a copy of it is not', async () => {
  assert.equal(told(tool), 'allowed');
  const from = enforce.stderr.length;
  install();
  await enforce.until(/tool is another file now/, from);
  assert.equal(told(tool), 'allowed');
  copyFileSync(PROGRAM, join(place, 'copy'));
  assert.equal(told(join(place, 'copy')), 'denied');
});

test('a program that is gone is told, and allowed when it is back', async () => {
  let from = enforce.stderr.length;
  rmSync(tool);
  await enforce.until(/tool does not exist any more/, from);
  from = enforce.stderr.length;
  install();
  await enforce.until(/tool exists now/, from);
  assert.equal(told(tool), 'allowed');
});

test('a program is allowed in each of its versions, to the user of the rule alone', async () => {
  const old = join(place, 'app/1.0/run');
  assert.deepEqual([told(old, 4321), told(old, 4322), told(old)], ['allowed', 'denied', 'denied']);
  let from = enforce.stderr.length;
  const run = installVersion('2.0');
  await enforce.until(/app\/2\.0\/run exists now/, from);
  from = enforce.stderr.length;
  rmSync(join(place, 'app/1.0'), { recursive: true });
  await enforce.until(/app\/1\.0\/run does not exist any more/, from);
  assert.deepEqual([told(run, 4321), told(run, 4322), told(run)], ['allowed', 'denied', 'denied']);
});

test('a user with another id is allowed, and who has the old one is not', async () => {
  const run = join(place, 'app/2.0/run');
  const from = enforce.stderr.length;
  giveId('ada', 4322);
  await enforce.until(/user ada has uid 4322 now, not 4321/, from);
  assert.deepEqual([told(run, 4321), told(run, 4322)], ['denied', 'allowed']);
});
