import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemError } from '../../../bpf/libbpf.ts';
import { AccountWatch } from '../../../enforcer/account-watch.ts';
import { applyPolicy } from '../../../enforcer/apply.ts';
import { compilePolicy } from '../../../enforcer/compile.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import { decide } from './kernel-judge.ts';
import { fileOf, KernelTables } from './kernel-tables.ts';

const TO = { family: 4, address: 0x0a00_0001n, port: 443, protocol: 6 } as const;

/** A policy in force on a host with these users, which a test may change. */
function enforce(rules: string, users: Map<string, number>) {
  const kernel = new KernelTables();
  const policy = parsePolicy(`version: 2\nnetwork: { mode: block, ${rules} }`, 'test.yaml').policy!;
  const host = {
    idOf: (kind: string, name: string) => (kind === 'user' ? users.get(name) : undefined),
    namesOf: (_: string, id: number) => [...users].flatMap(([name, each]) => (each === id ? [name] : [])),
  };
  const watch = new AccountWatch(kernel.egress, policy.boxes, host);
  const compiled = compilePolicy(policy, () => undefined, [], watch.resolve);
  applyPolicy(kernel.egress, compiled, { mode: 'block', target: 'host', record: true, cgroups: [] });
  const allows = (uid: number, euid = uid): boolean => {
    const executable = fileOf(1, 1n);
    const caller = { comm: Buffer.alloc(16), uid, euid, gid: 0, egid: 0, cgroups: [], executable };
    const box = decide(kernel, caller, TO);
    return box !== undefined && box >= compiled.denyBoxes;
  };
  return { allows, kernel, watch };
}

test('a rule for a user follows the id, and never holds for the one before', () => {
  const users = new Map([['ada', 1000]]);
  const { allows, watch } = enforce('allow: [{ from: { user: [ada] } }]', users);
  assert.deepEqual([allows(1000), allows(1001), allows(1000, 0)], [true, false, false]);
  users.set('ada', 1001);
  assert.equal(allows(1001), false);
  assert.deepEqual(watch.look(), [{ kind: 'user', name: 'ada', before: 1000, now: 1001 }]);
  assert.deepEqual([allows(1000), allows(1001)], [false, true]);
  assert.deepEqual(watch.look(), []);
});

test('a user who vanishes is allowed nothing, and nor is who gets the id', () => {
  const users = new Map([['ada', 1000]]);
  const { allows, watch } = enforce('allow: [{ from: { user: [ada] } }]', users);
  users.delete('ada');
  users.set('bob', 1000);
  assert.deepEqual(watch.look(), [{ kind: 'user', name: 'ada', before: 1000, now: undefined }]);
  assert.deepEqual(
    watch.missing.map(({ name }) => name),
    ['ada'],
  );
  assert.equal(allows(1000), false);
  users.set('ada', 1002);
  assert.deepEqual(watch.look(), [{ kind: 'user', name: 'ada', before: undefined, now: 1002 }]);
  assert.deepEqual([allows(1000), allows(1002)], [false, true]);
});

test('a deny holds for the processes of a user who vanished, until another user has the id', () => {
  const users = new Map([['mallory', 1000]]);
  const { allows, watch } = enforce('deny: [{ from: { user: [mallory] } }], allow: [{}]', users);
  assert.equal(allows(1000), false);
  users.delete('mallory');
  assert.equal(watch.look().length, 1);
  assert.equal(allows(1000), false);
  users.set('bob', 1000);
  assert.equal(watch.look().length, 0);
  assert.equal(allows(1000), true);
});

test('an unknown user is allowed nothing, beside others and numbers of other rules', () => {
  const users = new Map([['ada', 1000]]);
  const { allows, watch } = enforce(
    'allow: [{ from: { user: [nobody-knows, ada] } }, { from: { uid: [7] } }, { from: { user: [other] } }]',
    users,
  );
  assert.deepEqual(watch.missing.map(({ name }) => name).sort(), ['nobody-knows', 'other']);
  assert.deepEqual([allows(1000), allows(7), allows(0), allows(4_294_967_295)], [true, true, false, false]);
});

test('what found no room in the kernel side is written with the next look', () => {
  const users = new Map([['ada', 1000]]);
  const { allows, kernel, watch } = enforce('allow: [{ from: { user: [ada] } }]', users);
  users.set('ada', 1001);
  const { set } = kernel.subjects;
  kernel.subjects.set = () => {
    throw new SystemError('update of subjects', 7);
  };
  assert.throws(() => watch.look(), SystemError);
  kernel.subjects.set = set;
  watch.look();
  assert.deepEqual([allows(1000), allows(1001)], [false, true]);
});
