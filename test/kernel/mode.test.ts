/** One policy blocks some subjects and only monitors others: what is not known of a subject has it blocked. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Egress } from '../../bpf/egress.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { compilePolicy } from '../../enforcer/compile.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { onCgroup, testedAttachment } from './attachment.ts';
import { loadEnforcing } from './enforcing.ts';

const ATTEMPT = join(import.meta.dirname, 'identity/attempt');

let egress: Egress;
before(() => {
  egress = onCgroup() ? Egress.load(testedAttachment()) : loadEnforcing();
});
after(() => egress[Symbol.dispose]());

function putInForce(mode: string, modes: string, rules = 'allow: []'): void {
  const { policy, problems } = parsePolicy(
    `version: 2\nnetwork: { mode: ${mode}, modes: ${modes}, ${rules} }`,
    'test',
  );
  assert(policy, problems.map(({ message }) => message).join('\n'));
  applyPolicy(
    egress,
    compilePolicy(policy, () => undefined),
    { mode: policy.mode, modes: policy.modes, target: 'host', record: true, cgroups: [] },
  );
}

/** What a process of these ids gets. */
function told(real: number, effective = real): string {
  const words = [
    '--ruid',
    String(real),
    '--euid',
    String(effective),
    '--regid',
    '1000',
    '--clear-groups',
    ATTEMPT,
  ];
  const { status, stderr, stdout } = spawnSync('setpriv', words, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

test('who is in a mode entry is monitored, everybody else is blocked', () => {
  putInForce('block', '[{ from: { uid: [1000] }, mode: monitor }]');
  assert.equal(told(1000), 'allowed');
  assert.equal(told(1001), 'denied');
  assert.equal(told(1000), 'allowed');
});

test('an id that is not in it has a process blocked', () => {
  putInForce('block', '[{ from: { uid: [1000] }, mode: monitor }]');
  assert.equal(told(1000, 1001), 'denied');
  assert.equal(told(1001, 1000), 'denied');
  putInForce('monitor', '[{ from: { uid: [1000] }, mode: block }]');
  assert.equal(told(1000, 1001), 'denied');
  assert.equal(told(1001, 1000), 'denied');
  assert.equal(told(1001), 'allowed');
});

test('the first entry decides, and the other mode follows with the next policy', () => {
  const one = '{ from: { uid: [1000], gid: [1000] }, mode: block }';
  const other = '{ from: { uid: [1000, 1001] }, mode: monitor }';
  putInForce('block', `[${one}, ${other}]`);
  assert.deepEqual([told(1000), told(1001), told(1002)], ['denied', 'allowed', 'denied']);
  putInForce('block', `[${other}, ${one}]`);
  assert.deepEqual([told(1000), told(1001), told(1002)], ['allowed', 'allowed', 'denied']);
  putInForce('monitor', `[${other}, { from: { uid: [1002] }, mode: block }]`);
  assert.deepEqual([told(1000), told(1002), told(1003)], ['allowed', 'denied', 'allowed']);
});

test('what the rules allow is allowed in every mode', () => {
  putInForce('block', '[{ from: { uid: [1000] }, mode: monitor }]', 'allow: [{ from: { uid: [1001] } }]');
  assert.deepEqual([told(1000), told(1001), told(1002)], ['allowed', 'allowed', 'denied']);
});
