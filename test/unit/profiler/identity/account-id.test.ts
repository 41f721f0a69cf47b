import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { AccountIds } from '../../../../profiler/identity/account-id.ts';

const PASSWD = `root:x:0:0:root:/root:/bin/bash
toor:x:0:0::/root:/bin/sh
ada:x:1000:1000::/home/ada:/bin/sh
ada:x:1001:1001::/home/ada:/bin/sh
far:x:4294967296:1::/:
`;

/** Users of a file of the test, and of a program that stands for getent(1). */
function idsOf(t: TestContext, names: readonly string[], script = 'exit 2') {
  const folder = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = { user: join(folder, 'passwd'), group: join(folder, 'group') };
  const program = join(folder, 'getent');
  writeFileSync(files.user, PASSWD);
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  const ids = new AccountIds(
    names.map((name) => ({ kind: 'user' as const, name })),
    { files, program, patience: 20_000 },
  );
  t.after(() => ids[Symbol.dispose]());
  const replace = (text: string): void => {
    writeFileSync(`${files.user}+`, text);
    renameSync(`${files.user}+`, files.user);
  };
  return { files, folder, ids, replace };
}

test('a name means the id of the first line that has it, and an id has the names of all lines', (t) => {
  const { ids } = idsOf(t, ['root', 'toor', 'ada', 'far']);
  assert.equal(ids.idOf('user', 'root'), 0);
  assert.equal(ids.idOf('user', 'toor'), 0);
  assert.equal(ids.idOf('user', 'ada'), 1000);
  assert.equal(ids.idOf('user', 'far'), undefined);
  assert.deepEqual(ids.namesOf('user', 0), ['root', 'toor']);
  assert.equal(ids.idOf('group', 'root'), undefined);
});

test('a file that is written in place, or replaced by another one, is read again with the next look', (t) => {
  const { files, ids, replace } = idsOf(t, ['ada']);
  writeFileSync(files.user, PASSWD.replaceAll('ada:x:1000', 'ada:x:2000'));
  assert.equal(ids.idOf('user', 'ada'), 1000);
  ids.look();
  assert.equal(ids.idOf('user', 'ada'), 2000);
  replace(PASSWD.replaceAll('ada:x:1000', 'ada:x:3000'));
  ids.look();
  assert.equal(ids.idOf('user', 'ada'), 3000);
  replace('root:x:0:0:::\n');
  ids.look();
  assert.equal(ids.idOf('user', 'ada'), undefined);
});

test('a file that is away or empty for a moment takes no name away', (t) => {
  const { files, ids } = idsOf(t, ['ada']);
  writeFileSync(files.user, '');
  ids.look();
  assert.equal(ids.idOf('user', 'ada'), 1000);
  unlinkSync(files.user);
  ids.look();
  assert.equal(ids.idOf('user', 'ada'), 1000);
});

test('a name that is in no file is asked for in the background, just as it is written', async (t) => {
  const script = 'printf "%s:x:5000:5000::/:\\n" "$2"; echo "Grace:x:5001:1::/:"; exit 2';
  const { ids } = idsOf(t, ['DOMAIN\\ada', 'grace', 'root'], script);
  assert.equal(ids.idOf('user', 'DOMAIN\\ada'), undefined);
  await ids.ready();
  assert.equal(ids.idOf('user', 'DOMAIN\\ada'), 5000);
  // Another one than was asked for: services may fold case.
  assert.equal(ids.idOf('user', 'grace'), undefined);
  assert.deepEqual(ids.namesOf('user', 5000), ['DOMAIN\\ada']);
});

test('a service that does not answer takes no name away, one that does not know it does', async (t) => {
  const script =
    'case $(cat "$(dirname "$0")/mode") in on) echo "ldap:x:7:7::/:";; off) exit 1;; *) exit 2;; esac';
  const { folder, ids, replace } = idsOf(t, ['ldap'], script);
  const ask = async (mode: string): Promise<number | undefined> => {
    writeFileSync(join(folder, 'mode'), mode);
    await ids.ready();
    // A file that changed is a reason to ask again at once.
    replace(`${PASSWD}${mode}:x:77:77:::\n`);
    ids.look();
    await ids.ready();
    return ids.idOf('user', 'ldap');
  };
  assert.equal(await ask('on'), 7);
  assert.equal(await ask('off'), 7);
  assert.equal(await ask('unknown'), undefined);
});

test('a name in a file counts before that of a service', async (t) => {
  const { ids, replace } = idsOf(t, ['ldap'], 'echo "ldap:x:7:7::/:"');
  await ids.ready();
  assert.equal(ids.idOf('user', 'ldap'), 7);
  replace(`${PASSWD}ldap:x:8:8::/:\n`);
  ids.look();
  assert.equal(ids.idOf('user', 'ldap'), 8);
});
