import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { AccountNames, type AccountSource } from '../../../../profiler/identity/account.ts';

const PASSWD = `root:x:0:0:root:/root:/bin/bash
toor:x:0:0::/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
broken line
:x:34:34::/:
far:x:99999999999:1::/:
`;

/** Names out of files of the test, and out of a program that is a shell script. */
function accounts(t: TestContext, script: string, change: Partial<AccountSource> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = { user: join(folder, 'passwd'), group: join(folder, 'group') };
  const program = join(folder, 'getent');
  writeFileSync(files.user, PASSWD);
  writeFileSync(files.group, 'users:x:100:\n');
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  return { files, names: new AccountNames({ files, program, patience: 20_000, ...change }) };
}

test('a name that stands in the files is known at once, the first of several', (t) => {
  const { names } = accounts(t, 'exit 2');
  assert.equal(names.find('user', 0), 'root');
  assert.equal(names.find('user', 33), 'www-data');
  assert.equal(names.find('group', 100), 'users');
  assert.deepEqual(names.takeFound(), []);
});

test('what the files do not hold is asked for in the background, many ids at a time, and once', async (t) => {
  const { names } = accounts(t, 'echo "$1-$#:x:$2:1::/:"; echo "other:x:$3:"; exit 2');
  assert.equal(names.find('user', 1000), undefined);
  assert.equal(names.find('user', 1001), undefined);
  assert.equal(names.find('user', 1000), undefined);
  assert.equal(names.find('group', 5), undefined);
  await names.settle();
  assert.deepEqual(names.takeFound(), [
    { kind: 'user', id: 1000, name: 'passwd-3' },
    { kind: 'user', id: 1001, name: 'other' },
    { kind: 'group', id: 5, name: 'group-2' },
  ]);
  assert.deepEqual(names.takeFound(), []);
});

test('a user that was added to the file meanwhile is found there', async (t) => {
  const { files, names } = accounts(t, 'exit 2');
  writeFileSync(files.user, `${PASSWD}new:x:1000:1000::/:\n`);
  // Within the resolution of time stamps the file would look the same.
  utimesSync(files.user, new Date(), new Date(Date.now() + 10_000));
  assert.equal(names.find('user', 1000), undefined);
  await names.settle();
  assert.deepEqual(names.takeFound(), [{ kind: 'user', id: 1000, name: 'new' }]);
  assert.equal(names.find('user', 1000), 'new');
});

test('a directory service that does not answer, or is not there, holds nobody up', async (t) => {
  const { names: slow } = accounts(t, 'exec sleep 60', { patience: 50 });
  assert.equal(slow.find('user', 1000), undefined);
  assert.equal(slow.find('user', 33), 'www-data');
  await slow.settle();
  assert.deepEqual(slow.takeFound(), []);
  const { names: hanging } = accounts(t, 'exec sleep 60', { patience: 600_000 });
  assert.equal(hanging.find('user', 1000), undefined);
  await hanging.settle();
  assert.deepEqual(hanging.takeFound(), []);
  const { names: absent } = accounts(t, '', { program: '/nonexistent/getent' });
  assert.equal(absent.find('group', 7), undefined);
  await absent.settle();
  assert.deepEqual(absent.takeFound(), []);
});

test('the names of this host are those that getent knows', () => {
  const names = new AccountNames();
  assert.equal(names.find('user', 0), 'root');
  assert.equal(names.find('group', 0), 'root');
});
