/** SIGHUP reads the policy again: a good file comes into force as a whole, a bad one changes nothing. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { pythonTo } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { folder, programsLeft, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const place = folder();
const file = join(place, 'policy.yaml');
const log = join(place, 'denied.log');
let enforce: Running;

function denying(address: string, format = 'json'): string {
  return `network:\n  mode: block\n  cidr:\n    deny: [${address}/32]\nlog:\n  format: ${format}\n  output: ${log}\n`;
}

function write(text: string): void {
  writeFileSync(file, text);
  chmodSync(file, 0o600);
}

/** Sends SIGHUP and waits for the answer. Returns what was said. */
async function reload(answer: RegExp): Promise<string> {
  const before = enforce.stderr.length;
  enforce.signal('SIGHUP');
  await enforce.until(answer, before);
  return enforce.stderr.slice(before);
}

const STAYS = /^The policy that was in force stays\.$/m;
const IN_FORCE = /^Blocking by /m;

before(async () => {
  startNetwork();
  write(denying('10.0.1.1'));
  enforce = await Running.start('enforce', file, '--db', join(place, 'record.duckdb'));
});

after(async () => {
  await enforce.end('SIGTERM');
  stopNetwork();
});

/** What the policy in force denies. */
function denied(): string[] {
  return ['10.0.1.1', '10.0.1.2', '10.0.1.3'].filter((address) => pythonTo('tcp', address, 80) === 'EPERM');
}

test('SIGHUP before the policy is in force ends nothing, and the policy is read once more', async () => {
  const starting = Running.begin('enforce', file, '--db', join(place, 'starting.duckdb'));
  const catches = (): boolean =>
    /^SigCgt:\t[0-9a-f]*[13579bdf]$/m.test(readFileSync(`/proc/${starting.pid}/status`, 'utf8'));
  // Not more often: what it waits for needs the processor.
  while (!catches()) await wait(20);
  starting.signal('SIGHUP');
  assert.equal(starting.stderr, '', 'it has not said yet that it records');
  await starting.until(/^Blocking by [^]*^Blocking by /m);
  const { status, stderr } = await starting.end('SIGTERM');
  assert.equal(status, 0, stderr);
});

// Version 1 says nothing of sockets: the second allow entry is the one that leaves them to everybody.
test('a good file takes the place of the one before', async () => {
  assert.deepEqual(denied(), ['10.0.1.1']);
  write(denying('10.0.1.2'));
  assert.match(await reload(IN_FORCE), /: 1 deny and 2 allow entries for the whole host\.$/m);
  assert.deepEqual(denied(), ['10.0.1.2']);
});

test('a bad file is shown with its line and column, and the one before stays', async () => {
  write(denying('10.0.1.3').replace('block', 'blok'));
  assert.match(await reload(STAYS), new RegExp(`^${file}:2:9: `, 'm'));
  assert.deepEqual(denied(), ['10.0.1.2']);
});

test('metrics say what was denied, which policy is in force, and that its file could not be read', () => {
  const { stdout } = bouheki('status', '--metrics', '--db', join(place, 'record.duckdb'));
  const digest = createHash('sha256').update(denying('10.0.1.2')).digest('hex').slice(0, 12);
  assert.match(stdout, /^bouheki_denied_total [1-9]\d*$/m);
  assert(stdout.includes(`\nbouheki_policy_info{digest="${digest}",mode="block"} 1\n`), stdout);
  assert.match(stdout, /^bouheki_policy_generation 2$/m);
  assert.match(stdout, /^bouheki_policy_last_reload_successful 0$/m);
  assert.match(stdout, /^bouheki_database_bytes [1-9]\d*$/m);
});

test('a file that others can write changes nothing either', async () => {
  write(denying('10.0.1.3'));
  chmodSync(file, 0o622);
  assert.match(
    await reload(STAYS),
    /can be changed by users other than root: it can be written by every user/,
  );
  assert.deepEqual(denied(), ['10.0.1.2']);
});

test('the protocol of a packet socket is recorded as it is written, 0x0800 for IPv4', async () => {
  const open = 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))';
  succeeded(run('python3', '-c', open));
  const sql = `SELECT protocol FROM connections WHERE socket = 'packet'`;
  const db = join(place, 'record.duckdb');
  while ((await query(db, sql)).length === 0) await wait(100);
  assert.deepEqual(await query(db, sql), [{ protocol: '0x0800' }]);
});

test('a log that has been moved away is begun anew, and in the format that the policy now asks for', async () => {
  renameSync(log, `${log}.1`);
  write(denying('10.0.1.3', 'text'));
  await reload(IN_FORCE);
  assert.deepEqual(denied(), ['10.0.1.3']);
  const { status, stderr } = await enforce.end('SIGTERM');
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^Denied: 5 attempts\.$/m);
  assert.match(
    readFileSync(log, 'utf8'),
    /^INFO\[\d{4}\] Traffic is trapped in the filter\. +Action=block Addr=10\.0\.1\.3 [^\n]*\n$/,
  );
  const old = readFileSync(`${log}.1`, 'utf8').trimEnd().split('\n');
  assert.deepEqual(
    old.map((line) => (JSON.parse(line) as { Addr: string }).Addr),
    ['10.0.1.1', '10.0.1.2', '10.0.1.2', '10.0.1.2'],
  );
  assert.deepEqual(programsLeft(), []);
});
