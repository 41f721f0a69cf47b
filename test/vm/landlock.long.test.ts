/** Landlock's own test of network rules has the same outcome without bouheki, beside one that monitors, and one that blocks. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Outcomes } from './landlock/inside.ts';

const repository = join(import.meta.dirname, '../../..');

/** Those whose Landlock has rules for the network. */
for (const kernel of ['6.12', '7.2'])
  test(`on ${kernel} each case has the outcome that it has alone`, { timeout: 2_400_000 }, (context) => {
    const options = { encoding: 'utf8', cwd: repository } as const;
    const fetched = spawnSync('test/vm/fetch-landlock', options);
    if (fetched.status !== 0) return context.skip(`the kernel's source can't be had: ${fetched.stderr}`);
    const words = ['--kernel', kernel, '--timeout', '2300', '--', 'node', 'dist/test/vm/landlock/inside.js'];
    const { status, stdout, stderr } = spawnSync('test/vm/run', [...words, fetched.stdout.trim()], options);
    assert.equal(status, 0, stdout + stderr);
    const { alone, monitor, block } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as Outcomes;
    const passed = Object.values(alone).filter((each) => each === 'ok').length;
    context.diagnostic(`${passed} of ${Object.keys(alone).length} cases pass alone`);
    assert.ok(passed > 100, JSON.stringify(alone));
    assert.deepEqual(monitor, alone);
    assert.deepEqual(block, alone);
  });
