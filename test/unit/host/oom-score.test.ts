import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { exposeToOom, memoryLimit } from '../../../host/oom-score.ts';

const MODULE = new URL('../../../host/oom-score.js', import.meta.url).href;
const PROTECT = `const { protectFromOom, oomScoreAdjust } = await import(${JSON.stringify(MODULE)});
  console.log(protectFromOom(), oomScoreAdjust());`;

/** What a process says that asks for protection, started by a shell that has changed what it may have. */
function protectedAfter(change: string): string {
  const script = `${change}; exec "$@"`;
  return execFileSync('sh', ['-c', script, 'sh', process.execPath, '--input-type=module', '-e', PROTECT], {
    encoding: 'utf8',
  }).trim();
}

/** Whether root may lower it here: a container may be without that right. */
const mayLower = protectedAfter(':').startsWith('-1000 ');

test('a process that may asks never to be ended for want of memory', (t) => {
  if (!mayLower) t.skip('no right to lower oom_score_adj here');
  else assert.equal(protectedAfter('echo 300 >/proc/self/oom_score_adj'), '-1000 -1000');
});

test('where that is refused it gets as little as it may, which is what it had last with the right', (t) => {
  if (!mayLower) return t.skip('no right to lower oom_score_adj here');
  const drop = 'setpriv --bounding-set -sys_resource --inh-caps -sys_resource';
  const text = execFileSync(
    'sh',
    [
      '-c',
      `echo -137 >/proc/self/oom_score_adj; echo 42 >/proc/self/oom_score_adj
      exec ${drop} "$@"`,
      'sh',
      process.execPath,
      '--input-type=module',
      '-e',
      PROTECT,
    ],
    { encoding: 'utf8' },
  ).trim();
  // The shell has raised it with the right to lower it: then that is the least.
  assert.equal(text, '42 42');
});

test('a child is no better than others', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(child, 'spawn');
  exposeToOom(child.pid);
  const score = readFileSync(`/proc/${child.pid}/oom_score_adj`, 'utf8').trim();
  child.kill('SIGKILL');
  assert.equal(score, '0');
});

test('of the limits of the cgroups above a process the least counts', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(root, { recursive: true }));
  const own = /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
  if (own === undefined || own === '/') return t.skip('this process is in no cgroup but the root');
  mkdirSync(join(root, own), { recursive: true });
  assert.equal(memoryLimit(root), undefined);
  writeFileSync(join(root, own, 'memory.max'), 'max\n');
  assert.equal(memoryLimit(root), undefined);
  writeFileSync(join(root, own, 'memory.max'), '500000000\n');
  assert.equal(memoryLimit(root), 500_000_000);
});
