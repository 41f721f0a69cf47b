/** When a package is upgraded, the path in a rule means another file: `enforce` follows it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
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

const told = (path: string) => execFileSync(path, { encoding: 'utf8' }).trim();

before(async () => {
  install();
  writeFileSync(file, `version: 2\nnetwork: { mode: block, allow: [{ from: { exe: [${tool}] } }] }\n`);
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
