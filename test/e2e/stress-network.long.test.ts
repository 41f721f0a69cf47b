/** Block mode does no harm: what stresses the network of a host passes and fails as it does without bouheki. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bouheki, Running } from './bouheki.ts';
import { folder, programsLeft, run, runWithin, startNetwork, stopNetwork, succeeded } from './guest.ts';

/** For all stressors of the class together, and for each of the 20 or so of them. */
const SECONDS = 60;
const EACH = 3;

const place = folder();
const file = join(place, 'policy.yaml');
const db = join(place, 'record.duckdb');

/** Of a kind of stressors, by what became of them. */
type Outcome = Record<'passed' | 'failed' | 'skipped', string[]>;

function stress(): Outcome {
  const words = ['--class', 'network', '--sequential', '1', '--verify', '--timeout', `${EACH}s`];
  const { stderr, stdout } = runWithin(20 * SECONDS * 1000, 'stress-ng', ...words, '--temp-path', place);
  const of = (what: string): string[] =>
    [
      ...new RegExp(`\\] ${what}: \\d+:? ?(.*)$`, 'm')
        .exec(stdout + stderr)![1]!
        .matchAll(/([\w-]+) \(\d+\)/g),
    ]
      .map(([, name]) => name!)
      .sort();
  return { passed: of('passed'), failed: of('failed'), skipped: of('skipped') };
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
