/** A rule for ids looks at all that a process has: real, effective and file system ids, and for a deny its other groups. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Egress } from '../../bpf/egress.ts';
import { block, compileRules } from './client/policy.ts';
import { loadEnforcing } from './enforcing.ts';

const ATTEMPT = join(import.meta.dirname, 'identity/attempt');
const folder = mkdtempSync('/tmp/users-');
/** Runs with the effective ids 2000, whichever user starts it. */
const setuid = join(folder, 'setuid');

let egress: Egress;
before(() => {
  chmodSync(folder, 0o755);
  copyFileSync(ATTEMPT, setuid);
  chownSync(setuid, 2000, 2000);
  chmodSync(setuid, 0o6755);
  egress = loadEnforcing();
});
after(() => egress[Symbol.dispose]());

/** Whether user 1000 is allowed to connect by a program, in these supplementary groups. */
function told(program: string, groups: readonly number[] = []): string {
  const others = groups.length > 0 ? ['--groups', groups.join()] : ['--clear-groups'];
  const words = ['--reuid', '1000', '--regid', '1000', ...others, program];
  const { status, stderr, stdout } = spawnSync('setpriv', words, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

const allow = (from: string) => block(egress, compileRules(`  allow: [{ from: ${from} }]\n`));
const deny = (from: string) => block(egress, compileRules(`  deny: [{ from: ${from} }]\n  allow: [{}]\n`));

test('an allow needs the real and the effective ids of a setuid and setgid program', () => {
  for (const kind of ['uid', 'gid']) {
    allow(`{ ${kind}: [1000] }`);
    assert.equal(told(ATTEMPT), 'allowed');
    assert.equal(told(setuid), 'denied');
    allow(`{ ${kind}: [2000] }`);
    assert.equal(told(setuid), 'denied');
    allow(`{ ${kind}: [1000, 2000] }`);
    assert.equal(told(setuid), 'allowed');
  }
});

test('a deny needs one of them', () => {
  for (const kind of ['uid', 'gid']) {
    for (const id of [1000, 2000]) {
      deny(`{ ${kind}: [${id}] }`);
      assert.equal(told(setuid), 'denied', `${kind} ${id}`);
    }
    deny(`{ ${kind}: [3000] }`);
    assert.equal(told(setuid), 'allowed');
  }
});

test('a deny meets a supplementary group, an allow does not', () => {
  deny('{ gid: [50] }');
  assert.equal(told(ATTEMPT), 'allowed');
  assert.equal(told(ATTEMPT, [7, 50]), 'denied');
  assert.equal(told(ATTEMPT, [7, 51]), 'allowed');
  allow('{ gid: [50] }');
  assert.equal(told(ATTEMPT, [50]), 'denied');
});

/** Groups that no rule names. */
const groups = (count: number) => Array.from({ length: count }, (_, at) => 5000 + at);

test('who is in more groups than are looked at may be in any', () => {
  deny('{ gid: [50] }');
  assert.equal(told(ATTEMPT, groups(64)), 'allowed');
  assert.equal(told(ATTEMPT, [...groups(63), 50]), 'denied');
  assert.equal(told(ATTEMPT, groups(65)), 'denied');
  deny('{ uid: [50] }');
  assert.equal(told(ATTEMPT, groups(65)), 'allowed', 'no rule asks for groups');
});
