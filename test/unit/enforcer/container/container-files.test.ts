import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ContainerFiles, Silence } from '../../../../enforcer/container/container-files.ts';

const NOBODY = { path: '/nobody', directory: '/sys/fs/cgroup/nobody', files: ['/bin/sh'] };

/** The processes that were started from here. */
function children(): number[] {
  return readdirSync('/proc/self/task').flatMap((thread) =>
    readFileSync(`/proc/self/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

test('a container without processes has no files', async () => {
  using files = new ContainerFiles();
  assert.equal(await files.ask(NOBODY), undefined);
  assert.equal(await files.ask(NOBODY), undefined);
  assert.equal(children().length, 1, 'one process answers both');
});

test('who gives no answer is given up, and another one answers the next', async () => {
  using files = new ContainerFiles(500);
  await files.ask(NOBODY);
  const [lost] = children();
  process.kill(lost!, 'SIGSTOP');
  const asked = [files.ask(NOBODY), files.ask({ ...NOBODY, path: '/other' })];
  await assert.rejects(asked[0]!, Silence);
  assert.equal(await asked[1], undefined);
  assert.ok(!children().includes(lost!));
});

test('a process that ends is no end of answers', async () => {
  using files = new ContainerFiles();
  await files.ask(NOBODY);
  const [ended] = children();
  process.kill(ended!, 'SIGKILL');
  await assert.rejects(files.ask(NOBODY), Silence);
  assert.equal(await files.ask(NOBODY), undefined);
  assert.ok(!children().includes(ended!));
});
