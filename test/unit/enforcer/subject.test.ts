import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyPolicy } from '../../../enforcer/apply.ts';
import { compilePolicy } from '../../../enforcer/compile.ts';
import { compileSubjects } from '../../../enforcer/subject.ts';
import { BouhekiError } from '../../../error/error.ts';
import type { Box, From } from '../../../policy/policy.ts';
import { type Caller, decide } from './kernel-judge.ts';
import { KernelTables } from './kernel-tables.ts';

const NOWHERE = () => undefined;
const TO = { family: 4, address: 0x0a00_0001n, port: 443, protocol: 6 } as const;

const box = (action: Box['action'], from: From): Box => ({ action, name: action, from, to: {} });

const caller = (change: Partial<Caller> & { command?: string }): Caller => {
  const comm = Buffer.alloc(16);
  Buffer.from(change.command ?? 'curl').copy(comm, 0, 0, 15);
  return { comm, uid: 0, euid: 0, gid: 0, egid: 0, cgroups: [], ...change };
};

/** The kernel's tables under a policy of these boxes. */
function judging(boxes: Box[], resolve: Parameters<typeof compilePolicy>[1] = NOWHERE): KernelTables {
  const kernel = new KernelTables();
  const log = { format: 'json', level: 'info', labels: {} } as const;
  const policy = { version: 2, mode: 'block', target: 'host', boxes, log } as const;
  const options = { mode: 'block', target: 'host', record: true, cgroups: [] } as const;
  applyPolicy(kernel.egress, compilePolicy(policy, resolve), options);
  return kernel;
}

test('a command is stored as the bytes that the kernel keeps, also where they end inside a character', () => {
  const kernel = judging([box('deny', { command: ['ääääääää'] }), box('allow', {})]);
  assert.equal(decide(kernel, caller({ command: 'ääääääää' }), TO), 0);
  assert.equal(decide(kernel, caller({ command: 'äääääää' }), TO), 1);
});

test('two long prefixes that the kernel cuts to the same bytes both hold', () => {
  const boxes = ['a-very-long-comma*', 'a-very-long-commu*'].map((name) => box('deny', { command: [name] }));
  const kernel = judging([...boxes, box('allow', {})]);
  assert.equal(decide(kernel, caller({ command: 'a-very-long-communication' }), TO), 0);
  const { entries } = compileSubjects(boxes, NOWHERE);
  assert.equal(entries.length, 1);
  assert.equal(entries[0]!.boxes[0], 0b11);
});

test('hard links of one file are one entry, whichever of them a rule names', () => {
  const file = { device: 0x0080_0001, inode: 42n };
  const boxes = [box('allow', { exe: ['/usr/bin/perl'] }), box('allow', { exe: ['/usr/bin/perl5.36.0'] })];
  const { entries, unresolved } = compileSubjects(boxes, (path) => ({ path, ...file }));
  assert.deepEqual(
    entries.map(({ a, b, boxes: [first] }) => ({ a, b, first })),
    [{ a: 42n, b: 0x0080_0001n, first: 0b11 }],
  );
  assert.deepEqual(unresolved, []);
});

test('a path that means no file is told, and its rule matches nothing', () => {
  const boxes = [box('allow', { exe: ['/opt/gone'] })];
  assert.deepEqual(compileSubjects(boxes, NOWHERE).unresolved, ['/opt/gone']);
  const executable = { device: 0, inode: 0n };
  assert.equal(decide(judging(boxes), caller({ executable }), TO), undefined);
});

test('an executable of a foreign mount namespace meets deny rules but no allow rule', () => {
  const file = { device: 1, inode: 2n };
  const resolve = (path: string) => ({ path, ...file });
  const outside = caller({ executable: { ...file, outside: true } });
  const allow = judging([box('allow', { exe: ['/usr/bin/curl'] })], resolve);
  assert.equal(decide(allow, caller({ executable: file }), TO), 0);
  assert.equal(decide(allow, outside, TO), undefined);
  const deny = judging([box('deny', { exe: ['/usr/bin/curl'] }), box('allow', {})], resolve);
  assert.equal(decide(deny, outside, TO), 0);
});

test('an executable that is not known meets every deny rule that names one, and no allow rule', () => {
  const file = { device: 1, inode: 2n };
  const resolve = (path: string) => ({ path, ...file });
  const [known, unknown] = [caller({ executable: { device: 1, inode: 3n } }), caller({})];
  const deny = judging([box('deny', { exe: ['/usr/bin/curl'] }), box('allow', {})], resolve);
  assert.equal(decide(deny, known, TO), 1);
  assert.equal(decide(deny, unknown, TO), 0);
  const allow = judging([box('allow', { exe: ['/usr/bin/curl'] })], resolve);
  assert.equal(decide(allow, unknown, TO), undefined);
});

test('a container without a known name is accepted by no rule that names one', () => {
  const boxes = [box('allow', { container: ['*'] }), box('allow', { uid: [0] })];
  const { cgroup } = compileSubjects(boxes, NOWHERE);
  assert.equal(cgroup({ path: '/machine.slice/x' })[0], 0b10);
  assert.equal(cgroup({ path: '/machine.slice/x', container: 'web' })[0], 0b11);
});

test('what no kernel side can judge is refused with a remedy', () => {
  const hopeless: From[] = [
    { script: ['/opt/job.py'], container: ['web'] },
    { exe: ['/usr/bin/curl'], container: ['web'] },
    { exe: ['/usr/bin/curl'], image: ['nginx'] },
  ];
  for (const from of hopeless) {
    assert.throws(
      () => compileSubjects([box('allow', from)], NOWHERE),
      (error) => error instanceof BouhekiError && error.code === 'policy' && error.remedy !== undefined,
    );
  }
});
