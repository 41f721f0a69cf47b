/** A disk that fills up ends a recording with an error, loses nothing that was there, and never ends enforcement. */
import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { flood, pythonTo } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { folder, programsLeft, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const disk = folder();
const db = join(disk, 'record.duckdb');
const filler = join(disk, 'filler');

before(() => {
  startNetwork();
  succeeded(run('mount', '-t', 'tmpfs', '-o', 'size=8m,mode=700', 'small', disk));
});

after(() => {
  succeeded(run('umount', '--lazy', disk));
  stopNetwork();
});

function fillDisk(): void {
  assert.notEqual(run('dd', 'if=/dev/zero', `of=${filler}`, 'bs=4k', 'status=none').status, 0, 'it is full');
}

const NO_SPACE = new RegExp(
  `^bouheki: no space left on the disk of ${db}; recording stopped\\n {2}Free some space`,
  'm',
);

test('learn does not start on a full disk, and leaves nothing there', () => {
  fillDisk();
  const { status, stderr } = bouheki('learn', '--db', db);
  assert.match(stderr, NO_SPACE);
  assert.equal(status, 2);
  assert.deepEqual(readdirSync(disk), ['filler']);
  assert.deepEqual(programsLeft(), []);
  rmSync(filler);
});

test('a disk that fills up ends learn with an error, and what was recorded stays', async () => {
  const learn = await Running.start('learn', '--db', db);
  assert.equal(pythonTo('tcp', '10.0.1.1', 80), 'reached');
  await learn.recorded(db, `SELECT port FROM connections WHERE address = '10.0.1.1'`);
  fillDisk();
  flood('10.0.1.2', 2000);
  const { status, stderr } = await learn.end();
  assert.match(stderr, NO_SPACE);
  assert.equal(status, 2);
  assert.deepEqual(programsLeft(), []);
  rmSync(filler);
  assert.deepEqual(await query(db, `SELECT port FROM connections WHERE address = '10.0.1.1'`), [
    { port: 80 },
  ]);
});

test('a disk that fills up ends the recording of enforce and its log, not the enforcement', async () => {
  const log = join(disk, 'denied.log');
  const policy = join(folder(), 'policy.yaml');
  writeFileSync(
    policy,
    `network:\n  mode: block\n  cidr:\n    deny: [10.0.1.71/32]\nlog:\n  output: ${log}\n`,
  );
  chmodSync(policy, 0o600);
  const enforce = await Running.start('enforce', policy, '--db', db);
  assert.equal(pythonTo('tcp', '10.0.1.71', 80), 'EPERM');
  await enforce.recorded(db, `SELECT port FROM connections WHERE address = '10.0.1.71' AND protocol = 'tcp'`);
  fillDisk();
  assert.equal(flood('10.0.1.71', 1000), 1000);
  await enforce.until(/^Recording has stopped; enforcement goes on, and ends with status 2\.$/m);
  assert.match(enforce.stderr, NO_SPACE);
  await enforce.until(/^The log cannot be written \(ENOSPC.*\); enforcement and recording go on\.$/m);
  assert.equal(pythonTo('tcp', '10.0.1.71', 81), 'EPERM', 'it still blocks');
  assert.equal(pythonTo('tcp', '10.0.1.1', 80), 'reached');

  rmSync(filler);
  assert.equal(pythonTo('tcp', '10.0.1.71', 82), 'EPERM');
  const { status, stderr } = await enforce.end('SIGTERM');
  assert.equal(status, 2, stderr);
  assert.match(
    stderr,
    new RegExp(
      `^Nothing was recorded from \\S+ on; the policy is no longer in force\\.\nDenied: 1,003 attempts\\.\nbouheki: no space left on the disk of ${db}`,
      'm',
    ),
  );
  assert.deepEqual(programsLeft(), []);
  const ports = readFileSync(log, 'utf8').match(/"Port":\d+(?=.*"Protocol":"tcp")/g);
  assert.deepEqual(
    ports,
    ['"Port":80', '"Port":81', '"Port":82'],
    'the log tells the rest once there is space',
  );
  const denied = await query<{ port: number }>(
    db,
    `SELECT port FROM connections WHERE verdict = 'deny' AND protocol = 'tcp' ORDER BY time`,
  );
  assert.deepEqual(denied, [{ port: 80 }], 'what was committed before is there');
});
