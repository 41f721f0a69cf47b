/** Processes whose real, effective and file system ids differ: set-user-id programs, and servers that work for others. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { flowOf } from '../../../generator/subject/flow.ts';
import { generatePolicy } from '../../../generator/generate.ts';
import { findSuperfluous } from '../../../generator/prove.ts';
import { ruleSubject } from '../../../generator/subject/subject.ts';
import { evaluate } from '../../../policy/meaning/evaluate.ts';
import { printPolicy } from '../../../policy/file/print.ts';
import { Accounts, type Subject } from '../../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { input, observed, OPTIONS, policyOf, print } from './fixture.ts';
import { findDrift } from './drift/find-drift.ts';

const SETUID = { euid: 0 } as const;
const NAMES = new Accounts([
  { kind: 'user', id: 0, name: 'root' },
  { kind: 'user', id: 1000, name: 'ada' },
]);

/** What a policy allows of these subjects at 10.0.0.1:443. */
function allowed(text: string, subjects: readonly Partial<Subject>[]): boolean[] {
  const policy = policyOf(text);
  return subjects.map((subject) => evaluate(policy, flowOf(observed({ subject }))).action === 'allow');
}

const both = (text: string): number => text.match(/uid: \[0, 1000\]/g)?.length ?? 0;

test('a rule for a set-user-id program lists both of its users, and says that each of them is allowed alone', () => {
  const text = print([observed({ subject: SETUID })]);
  assert.match(text, /from: \{ exe: \[\/usr\/bin\/curl\], uid: \[0, 1000\] \}/);
  assert.match(
    text,
    /# review: process with user ids 0 and 1000, each of which a rule by uid allows alone: 10\.0\.0\.1:443\/tcp/,
  );
  assert.deepEqual(allowed(text, [SETUID, { uid: 0 }, {}, { uid: 33 }, { euid: 33 }]), [
    true,
    true,
    true,
    false,
    false,
  ]);
});

test('the file system id counts as well', () => {
  const text = print([observed({ subject: { uid: 0, fsuid: 1000 } })]);
  assert.equal(both(text), 1);
  assert.match(print([observed({ subject: { euid: 33, fsuid: 0 } })]), /uid: \[0, 33, 1000\]/);
});

test('it is a subject of its own: what else its users do is in other rules', () => {
  const text = print([
    observed({ subject: SETUID }),
    observed({ port: 80 }),
    observed({ port: 80, subject: { uid: 0 } }),
    observed({ port: 22 }),
  ]);
  // Both users at port 80 need no more than one list, which is that of the set-user-id program.
  assert.equal(both(text), 1);
  assert.match(text, /uid: \[1000\]/);
  const at22 = (subject: Partial<Subject>) =>
    evaluate(policyOf(text), flowOf(observed({ port: 22, subject }))).action;
  assert.deepEqual([at22({}), at22(SETUID), at22({ uid: 0 })], ['allow', 'deny', 'deny']);
});

test('what its rule allows anyway needs no other rule', () => {
  const observations = [observed({ subject: SETUID }), observed(), observed({ subject: { uid: 0 } })];
  const generated = generatePolicy(input(observations), OPTIONS);
  assert.equal(generated.document.allow!.length, 1);
  assert.equal(generated.rules[0]!.observations.length, 3);
  const { lists, names, rules } = generated;
  assert.deepEqual(findSuperfluous(rules, names, lists, observations), []);
});

test('the hours of its evidence are not those of its own subject alone', () => {
  // The window has 49 hours, although it touches 50 of the clock.
  const often = observed({ count: 50, hours: 50, last: observed().first + 49 * 3_600_000_000 });
  assert.match(print([observed({ subject: SETUID }), often]), /# 51 events in at least 50 hours/);
});

test('which of its ids is the real one makes no other rule', () => {
  const text = print([observed({ subject: SETUID }), observed({ subject: { uid: 0, euid: 1000 } })]);
  assert.equal(both(text), 1);
});

test('programs with the same ids share a rule, with others they do not', () => {
  const exe = '/usr/bin/ssh-keysign';
  const text = print([
    observed({ subject: SETUID }),
    observed({ subject: { ...SETUID, exe } }),
    observed({ subject: { ...SETUID, exe, uid: 33 } }),
  ]);
  assert.match(text, /exe: \[\/usr\/bin\/curl, \/usr\/bin\/ssh-keysign\], uid: \[0, 1000\]/);
  assert.match(text, /exe: \[\/usr\/bin\/ssh-keysign\], uid: \[0, 33\]/);
  assert.deepEqual(allowed(text, [{ ...SETUID, uid: 33 }, { euid: 33 }]), [false, false]);
});

test('the flat layout lists every user and group', () => {
  const subject = { ...SETUID, egid: 7, fsgid: 9 };
  const text = print([observed({ subject })], { layout: 'flat' });
  assert.match(text, /uid:\n {4}allow: \[0, 1000\]\n {2}gid:\n {4}allow: \[7, 9, 1000\]/);
  assert.deepEqual(allowed(text, [subject]), [true]);
});

test('the hold-out allows what the rule for a set-user-id program allows', () => {
  const late = { blocks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 1] };
  const list: RecordedObservation[] = [
    observed({ subject: SETUID }),
    observed(late),
    observed({ ...late, subject: { ...SETUID, uid: 33 } }),
  ];
  const { holdOut } = generatePolicy(input(list), OPTIONS);
  assert.deepEqual([holdOut.events, holdOut.denied], [2, 1]);
});

test('drift is told with all user ids, and a policy for the real one alone is not enough', () => {
  const policy = policyOf(print([observed()]));
  const drift = findDrift(policy, [observed({ subject: SETUID })], NAMES);
  assert.equal(drift.new.length, 1);
  const [{ euid, rule, subject, uid }] = drift.new as [(typeof drift.new)[0]];
  assert.deepEqual([subject, uid, euid], ['/usr/bin/curl uid 0 (root)+1000 (ada)', 1000, 0]);
  assert.equal(rule?.relation, 'other subject');
});

test('the names of users stand beside their numbers, in comments and not in rules', () => {
  const observations = [observed(), observed({ subject: { uid: 33 } })];
  const { document } = generatePolicy(input(observations, { accounts: NAMES }), OPTIONS);
  const text = printPolicy(document);
  assert.match(text, /^ {4}# uid 33, 1000 \(ada\)$/m);
  assert.match(text, /- name: "\/usr\/bin\/curl uid 33, 1000"$/m);
  assert.doesNotMatch(print(observations), /# uid/);
});

test('in a container a user id is not the user that the host has by that number', () => {
  const subject = { inContainer: true, container: 'web' };
  assert.equal(ruleSubject(observed({ subject }).subject, 'auto', NAMES)!.name, 'container web uid 1000');
  const { document } = generatePolicy(input([observed({ subject })], { accounts: NAMES }), OPTIONS);
  assert.doesNotMatch(printPolicy(document), /\(ada\)/);
});

test('where hosts have different names for an id, all of them are told', () => {
  const accounts = new Accounts([
    { kind: 'user', id: 1000, name: 'bob' },
    { kind: 'user', id: 1000, name: 'ada' },
    { kind: 'group', id: 1000, name: 'users' },
  ]);
  assert.equal(ruleSubject(observed().subject, 'auto', accounts)!.name, '/usr/bin/curl uid 1000 (ada, bob)');
});
