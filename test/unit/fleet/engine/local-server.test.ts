import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { openEngine } from '../../../../fleet/engine/open.ts';
import { serverUser, startLocalServer } from '../../../../fleet/engine/server/local-server.ts';
import { claimDirectory } from '../../../../fleet/engine/server/server-directory.ts';
import { findServerPrograms } from '../../../../fleet/engine/server/program.ts';
import { atEnd } from '../../at-end.ts';

const skip = findServerPrograms() === undefined ? 'no PostgreSQL is installed on this machine' : false;

test('a hub for trying has a server of its own, whose state is there the next time', { skip }, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'bouheki-local-'));
  atEnd(t, () => rmSync(root, { recursive: true, force: true }));
  const first = await startLocalServer(root);
  atEnd(t, () => first.stop());
  assert.equal(statSync(root).mode & 0o777, 0o700);
  assert.equal(statSync(join(root, '.s.PGSQL.5432')).mode & 0o777, 0o700);
  const engine = await openEngine([first.url]);
  await engine.setWorkload({ name: 'web', select: {}, order: 1 });
  await engine.close();
  // It is still there, as if its hub had been killed: the next hub takes over.
  const second = await startLocalServer(root);
  atEnd(t, () => second.stop());
  await first.ended;
  const again = await openEngine([second.url]);
  assert.deepEqual(
    (await again.workloads()).map(({ name }) => name),
    ['web'],
  );
  await again.close();
  await second.stop();
  assert.ok(!existsSync(join(root, '.s.PGSQL.5432')));
});

test(
  'a directory whose path is too long for a socket is refused before anything is made',
  { skip },
  async () => {
    const root = join(tmpdir(), 'x'.repeat(100));
    await assert.rejects(startLocalServer(root), {
      code: 'fleet',
      message: /longer than the path of a socket/,
    });
    assert.ok(!existsSync(root));
  },
);

test('a server ends with the process that started it, even when that is killed', { skip }, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'bouheki-local-'));
  atEnd(t, () => rmSync(root, { recursive: true, force: true }));
  const module = join(import.meta.dirname, '../../../../fleet/engine/server/local-server.js');
  const script = `
    import { writeSync } from 'node:fs';
    import { startLocalServer } from ${JSON.stringify(module)};
    writeSync(1, String((await startLocalServer(${JSON.stringify(root)})).pid));
    process.kill(process.pid, 'SIGKILL');`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  assert.match(stdout, /^\d+$/);
  for (let tries = 0; existsSync(`/proc/${stdout}`) && tries < 400; tries++) await wait(50);
  assert.ok(!existsSync(`/proc/${stdout}`));
});

test(
  'a link that the user of the server has put into its directory is not followed by root',
  { skip: skip || (process.getuid?.() !== 0 && 'this needs root') },
  async (t) => {
    const root = mkdtempSync(join(tmpdir(), 'bouheki-local-'));
    atEnd(t, () => rmSync(root, { recursive: true, force: true }));
    chmodSync(root, 0o711);
    const place = join(root, 'demo');
    const { gid, uid } = serverUser()!;
    const secret = join(root, 'secret');
    writeFileSync(secret, 'of root\n', { mode: 0o600 });
    const made = await startLocalServer(place);
    await made.stop();
    rmSync(join(place, 'log'));
    symlinkSync(join(root, 'planted'), join(place, 'log'));
    // What is created there, or not at all: root would have made a file of its own.
    await assert.rejects(startLocalServer(place), { code: 'fleet' });
    assert.ok(!existsSync(join(root, 'planted')));
    rmSync(join(place, 'log'));
    symlinkSync(secret, join(place, 'log'));
    await assert.rejects(startLocalServer(place), (error: Error & { detail?: string }) => {
      assert.doesNotMatch(String(error.detail), /of root/);
      return true;
    });
    assert.equal(statSync(secret).size, 8);
    // The directory itself, as a link to another one.
    renameSync(place, `${place}-away`);
    mkdirSync(join(root, 'other'));
    symlinkSync(join(root, 'other'), place);
    lchownSync(place, uid, gid);
    await assert.rejects(startLocalServer(place), { code: 'untrusted' });
    assert.equal(statSync(join(root, 'other')).uid, 0);
  },
);

test('only an empty directory, or one that was its own, becomes that of a server', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'bouheki-local-'));
  atEnd(t, () => rmSync(root, { recursive: true, force: true }));
  writeFileSync(join(root, 'letter'), '');
  assert.throws(() => claimDirectory(root, undefined), { code: 'untrusted', message: /has other files/ });
  rmSync(join(root, 'letter'));
  mkdirSync(join(root, 'data'));
  claimDirectory(root, undefined);
  assert.equal(lstatSync(root).mode & 0o777, 0o700);
  if (process.getuid?.() !== 0) return;
  chownSync(root, 12_345, 12_345);
  assert.throws(() => claimDirectory(root, serverUser()), {
    code: 'untrusted',
    message: /belongs to uid 12345/,
  });
});
