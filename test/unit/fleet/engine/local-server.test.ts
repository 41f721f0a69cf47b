import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { openEngine } from '../../../../fleet/engine/open.ts';
import { startLocalServer } from '../../../../fleet/engine/server/local-server.ts';
import { findServerPrograms } from '../../../../fleet/engine/server/program.ts';
import { atEnd } from '../../at-end.ts';

const skip = findServerPrograms() === undefined ? 'no PostgreSQL is installed on this machine' : false;

test('a hub for trying has a server of its own, whose state is there the next time', { skip }, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'bouheki-local-'));
  atEnd(t, () => rmSync(root, { recursive: true, force: true }));
  const first = await startLocalServer(root);
  atEnd(t, () => first.stop());
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
