import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { LogPlace } from '../../../host/log-place.ts';
import { asAttacker, ATTACKER, noAttacker, ownDirectory, sharedDirectory } from './attacker.ts';

function write(path: string): void {
  using log = LogPlace.open(path, 0o640);
  appendFileSync(log.path, 'line\n');
}

test('a log is made for its group, continued, and found through a link of ours', (t) => {
  const directory = ownDirectory(t);
  const path = join(directory, 'denied.log');
  const umask = process.umask(0o077);
  try {
    write(path);
  } finally {
    process.umask(umask);
  }
  assert.equal(statSync(path).mode & 0o777, 0o640);
  symlinkSync('denied.log', join(directory, 'link'));
  write(join(directory, 'link'));
  assert.equal(readFileSync(path, 'utf8'), 'line\nline\n');
  write('/dev/null');
  assert.throws(() => write(join(directory, 'none', 'denied.log')), { code: 'ENOENT' });
});

test(
  'a log that logrotate has made for another user goes on where root alone makes names',
  { skip: noAttacker },
  (t) => {
    const path = join(ownDirectory(t), 'denied.log');
    writeFileSync(path, '');
    chownSync(path, ATTACKER, ATTACKER);
    write(path);
    assert.equal(readFileSync(path, 'utf8'), 'line\n');
  },
);

test(
  'where a group makes names too, as in /var/log of Ubuntu, only a file of ours is continued',
  { skip: noAttacker },
  (t) => {
    const directory = ownDirectory(t);
    const precious = join(ownDirectory(t), 'precious');
    writeFileSync(precious, 'ours');
    chmodSync(directory, 0o775);
    write(join(directory, 'denied.log'));
    write(join(directory, 'denied.log'));
    assert.equal(readFileSync(join(directory, 'denied.log'), 'utf8'), 'line\nline\n');
    symlinkSync(precious, join(directory, 'link'));
    linkSync(precious, join(directory, 'hard'));
    writeFileSync(join(directory, 'theirs'), '');
    chownSync(join(directory, 'theirs'), ATTACKER, ATTACKER);
    for (const name of ['link', 'hard', 'theirs']) {
      assert.throws(() => write(join(directory, name)), { code: 'untrusted' }, name);
    }
    chmodSync(directory, 0o777);
    assert.throws(() => write(join(directory, 'denied.log')), { code: 'untrusted' });
    assert.equal(readFileSync(precious, 'utf8'), 'ours');
  },
);

test(
  'no line gets through what a user has planted in a shared directory, nor into their own',
  { skip: noAttacker },
  (t) => {
    const shared = sharedDirectory(t);
    const precious = join(ownDirectory(t), 'precious');
    writeFileSync(precious, 'ours');
    asAttacker(
      `process.chdir(argv[0]); fs.symlinkSync(argv[1], 'link'); fs.writeFileSync('file', ''); fs.mkdirSync('way');
    require('node:child_process').spawnSync('mkfifo', ['pipe']);`,
      shared,
      precious,
    );
    for (const name of ['link', 'file', 'pipe', 'way/denied.log']) {
      assert.throws(() => write(join(shared, name)), { code: 'untrusted' }, name);
    }
    write(join(shared, 'new'));
    assert.equal(statSync(join(shared, 'new')).uid, 0);
    assert.equal(readFileSync(precious, 'utf8'), 'ours');
  },
);
