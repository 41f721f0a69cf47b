import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename, dirname } from 'node:path';
import { test } from 'node:test';
import { foldersOf, isAlive, PIN_ROOT, readFolderName, self } from '../../../bpf/pin/place.ts';
import { readProcessStat } from '../../../host/process-stat.ts';

test('a folder says whose it is, by its name, in any version', () => {
  const owner = self();
  const { complete, unfinished } = foldersOf(owner);
  assert.deepEqual(readFolderName(basename(complete)), { ...owner, schema: 1, complete: true });
  assert.deepEqual(readFolderName(basename(unfinished)), { ...owner, schema: 1, complete: false });
  assert.equal(dirname(complete), PIN_ROOT);
  assert.deepEqual(readFolderName('v27-12-3400'), { schema: 27, pid: 12, started: 3400n, complete: true });
  for (const other of ['v1-12', 'v1-12-x', 'tables', 'v1-12-34-old', '../v1-12-34']) {
    assert.equal(readFolderName(other), undefined, other);
  }
});

test('a process that has ended, or another one with its number, is not alive', async () => {
  assert.ok(isAlive(self()));
  assert.ok(!isAlive({ ...self(), started: self().started - 1n }));
  const child = spawn('sleep', ['60']);
  const owner = { pid: child.pid!, started: readProcessStat(`/proc/${child.pid}`)!.started };
  assert.ok(isAlive(owner));
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(!isAlive(owner));
});
