/** Block mode does no harm: what stresses the network of a host passes and fails as it does without bouheki. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bouheki, Running } from './bouheki.ts';
import { folder, programsLeft, run, runWithin, startNetwork, stopNetwork, succeeded } from './guest.ts';

/** Seconds for each of the 18 stressors of the class and more: a minute in all. */
const EACH = 4;

const place = folder();
const file = join(place, 'policy.yaml');
const db = join(place, 'record.duckdb');

/** What became of the stressors, by their names. */
interface Outcome {
  status: number | null;
  passed: string[];
  failed: string[];
  skipped: string[];
}

function stress(): Outcome {
  const words = ['--class', 'network', '--sequential', '1', '--verify', '--timeout', `${EACH}s`];
  const { status, stderr, stdout } = runWithin(1_200_000, 'stress-ng', ...words, '--temp-path', place);
  const said = stdout + stderr;
  const named = (pattern: RegExp): string[] => [
    ...new Set([...said.matchAll(pattern)].map(([, name]) => name!)),
  ];
  const begun = /dispatching hogs: (.*)$/m
    .exec(said)![1]!
    .split(', ')
    .map((hog) => hog.split(' ')[1]!);
  const skipped = named(/\] ([\w-]+): .*skipping stressor/g).sort();
  const failed = named(/fail: +\[\d+\] ([\w-]+):/g).sort();
  const passed = begun.filter((name) => ![...skipped, ...failed].includes(name)).sort();
  return { status, passed, failed, skipped };
}

/** What the kernel complains of. A machine that stands still for a while is no fault: its stalls are left out. */
function complaints(): string[] {
  return succeeded(run('dmesg'))
    .stdout.split('\n')
    .filter((line) => /WARNING:|BUG:|Oops|general protection|refcount_t|UBSAN|KASAN/.test(line))
    .filter((line) => !/soft lockup/.test(line));
}

let enforce: Running | undefined;

before(startNetwork);
after(async () => {
  await enforce?.end('SIGKILL');
  stopNetwork();
});

test('in block mode the same stressors pass and fail, and the kernel has nothing to say', async (context) => {
  if (run('sh', '-c', 'command -v stress-ng').status !== 0) return context.skip('stress-ng is not installed');
  const without = stress();
  context.diagnostic(JSON.stringify(without));
  assert.ok(without.passed.length > 10, JSON.stringify(without));
  const before = complaints();
  const sockets = 'sockets: [raw, packet, other, source-route]';
  const rules = `  deny: [{ to: [{ cidr: [198.51.100.1] }] }]\n  allow: [{ to: [{}], ${sockets} }]\n`;
  writeFileSync(file, `version: 2\nnetwork:\n  mode: block\n${rules}`, { mode: 0o600 });
  enforce = await Running.start('enforce', file, '--db', db, '--no-preflight');
  assert.deepEqual(stress(), without);
  assert.deepEqual(complaints(), before);
  assert.match(bouheki('status', '--db', db).stdout, / blocking by /);
  const { status, stderr } = await enforce.end('SIGTERM');
  assert.equal(status, 0, stderr);
  assert.deepEqual(programsLeft(), []);
  assert.deepEqual(complaints(), before);
});
