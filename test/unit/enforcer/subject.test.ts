import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SubjectKind } from '../../../bpf/wire.ts';
import { applyPolicy, listCgroup } from '../../../enforcer/apply.ts';
import { compilePolicy } from '../../../enforcer/compile.ts';
import { compileSubjects } from '../../../enforcer/subject.ts';
import type { Box, From } from '../../../policy/meaning/policy.ts';
import { type Caller, decide } from './kernel-judge.ts';
import { fileOf, KernelTables } from './kernel-tables.ts';

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

test('hard links of one file are one file, whichever of them a rule names', () => {
  const file = { ...fileOf(0x0080_0001, 42n), object: 99n, generation: 1 };
  const boxes = [box('allow', { exe: ['/usr/bin/perl'] }), box('allow', { exe: ['/usr/bin/perl5.36.0'] })];
  const { entries, unresolved } = compileSubjects(boxes, () => file);
  assert.deepEqual(
    entries.map(({ kind, a, b, boxes: [first] }) => ({ kind, a, b, first })),
    [
      { kind: SubjectKind.exe, a: 42n, b: 0x0080_0001n, first: 0b11 },
      { kind: SubjectKind.exeObject, a: 99n, b: 42n ^ (1n << 32n), first: 0b11 },
    ],
  );
  assert.deepEqual(unresolved, []);
});

test('another file of the same number meets deny rules, but no allow rule', () => {
  const file = fileOf(1, 2n);
  const others = [
    { ...file, object: 99n },
    { ...file, generation: 8 },
    { ...file, object: 0n },
  ];
  const allow = judging([box('allow', { exe: ['/usr/bin/curl'] })], () => file);
  const deny = judging([box('deny', { exe: ['/usr/bin/curl'] }), box('allow', {})], () => file);
  for (const executable of others) {
    assert.equal(decide(allow, caller({ executable }), TO), undefined);
    assert.equal(decide(deny, caller({ executable }), TO), 0);
  }
});

test('two files of one number that a policy names are each only themselves', () => {
  const files: Record<string, ReturnType<typeof fileOf>> = {
    '/a': { ...fileOf(1, 2n), object: 10n },
    '/b': { ...fileOf(1, 2n), object: 20n },
  };
  const boxes = [box('allow', { exe: ['/a'] }), box('allow', { exe: ['/b'] })];
  const kernel = judging(boxes, (path) => files[path]);
  assert.equal(decide(kernel, caller({ executable: files['/a']! }), TO), 0);
  assert.equal(decide(kernel, caller({ executable: files['/b']! }), TO), 1);
});

test('who has chosen its own root directory meets no allow rule for a program', () => {
  const file = fileOf(1, 2n);
  const allow = judging([box('allow', { exe: ['/usr/bin/curl'] })], () => file);
  const deny = judging([box('deny', { exe: ['/usr/bin/curl'] }), box('allow', {})], () => file);
  const executed = caller({ executable: file, foreignUsers: true, foreignRoot: true });
  assert.equal(decide(allow, executed, TO), undefined);
  assert.equal(decide(deny, executed, TO), 0);
});

test('a path that means no file is told, and its rule matches nothing', () => {
  const boxes = [box('allow', { exe: ['/opt/gone'] })];
  assert.deepEqual(compileSubjects(boxes, NOWHERE).unresolved, ['/opt/gone']);
  const executable = fileOf(0, 0n);
  assert.equal(decide(judging(boxes), caller({ executable }), TO), undefined);
});

test('an executable of the host meets deny rules in a container, and without a name, but no allow rule', () => {
  const file = fileOf(1, 2n);
  const resolve = () => file;
  const inside = caller({ executable: file, inContainer: true, mountNamespace: 7 });
  const nameless = caller({ executable: { ...file, nameless: true } });
  const allow = judging([box('allow', { exe: ['/usr/bin/curl'] })], resolve);
  assert.equal(decide(allow, caller({ executable: file }), TO), 0);
  assert.equal(decide(allow, inside, TO), undefined);
  assert.equal(decide(allow, nameless, TO), undefined);
  const deny = judging([box('deny', { exe: ['/usr/bin/curl'] }), box('allow', {})], resolve);
  assert.equal(decide(deny, inside, TO), 0);
  assert.equal(decide(deny, nameless, TO), 0);
});

const place = (container: string) => ({ path: `/${container}`, container, image: 'app:1' });

/** Two containers of one image; of the second one it is not known what its paths mean. */
function containers(boxes: Box[]): {
  by(container: 'web' | 'db', mountNamespace: number, inode: bigint): number | undefined;
} {
  const kernel = new KernelTables();
  const log = { format: 'json', level: 'info', labels: {} } as const;
  const policy = { version: 2, mode: 'block', target: 'host', boxes, log } as const;
  const files = new Map([
    ['/bin/wget', [fileOf(5, 42n)]],
    ['/bin/gone', []],
  ]);
  const compiled = compilePolicy(policy, NOWHERE, [{ place: place('web'), mountNamespace: 7, files }]);
  const cgroups = ['web', 'db'].map((name, index) => ({
    id: BigInt(index + 1),
    boxes: compiled.subjects.cgroup(place(name)),
  }));
  applyPolicy(kernel.egress, compiled, { mode: 'block', target: 'host', record: true, cgroups });
  return {
    by: (container, mountNamespace, inode) =>
      decide(
        kernel,
        caller({
          executable: fileOf(5, inode),
          mountNamespace,
          inContainer: true,
          cgroups: [container === 'web' ? 1n : 2n],
        }),
        TO,
      ),
  };
}

test("a container's executable is allowed in that container's own mounts and nowhere else", () => {
  const { by } = containers([box('allow', { container: ['web'], exe: ['/bin/wget'] })]);
  assert.equal(by('web', 7, 42n), 0);
  assert.equal(by('web', 7, 43n), undefined, 'another program');
  assert.equal(by('web', 8, 42n), undefined, 'mounts of its own making');
  assert.equal(by('db', 7, 42n), undefined, 'another container');
  const image = containers([box('allow', { image: ['app:1'], exe: ['/bin/wget'] })]);
  assert.equal(image.by('web', 7, 42n), 0);
  assert.equal(image.by('db', 8, 42n), undefined, 'nobody has looked there yet');
});

test('a deny by executable holds for everything in a container until it is known what its paths mean', () => {
  const deny = containers([box('deny', { image: ['app:1'], exe: ['/bin/wget'] }), box('allow', {})]);
  assert.equal(deny.by('web', 7, 42n), 0);
  assert.equal(deny.by('web', 7, 43n), 1, 'it is known to be another one');
  assert.equal(deny.by('web', 8, 43n), 0, 'who knows what is mounted there');
  assert.equal(deny.by('db', 9, 43n), 0, 'nobody has looked there yet');
  const gone = containers([box('deny', { container: ['*'], exe: ['/bin/gone'] }), box('allow', {})]);
  assert.equal(gone.by('web', 7, 42n), 1, 'there is no such file');
  const other = containers([box('deny', { container: ['db'], exe: ['/bin/wget'] }), box('allow', {})]);
  assert.equal(other.by('web', 8, 42n), 1, 'the rule is for another container');
});

/** As `judging`, with the cgroups 1 of container web and 2 of container db. */
function judgingIn(boxes: Box[]): KernelTables {
  const kernel = judging(boxes);
  const { cgroup } = compileSubjects(boxes, NOWHERE);
  for (const [index, container] of ['web', 'db'].entries()) {
    const path = `/${container}`;
    listCgroup(kernel.egress, { id: BigInt(index + 1), boxes: cgroup({ path, container }) });
  }
  return kernel;
}

test('a script of a container is known by its path there; of the host no container has any', () => {
  const script = '/opt/job.py';
  const own = { executable: fileOf(5, 42n), script, inContainer: true, mountNamespace: 8 };
  const web = judgingIn([box('allow', { container: ['web'], script: [script] })]);
  assert.equal(decide(web, caller({ ...own, cgroups: [1n] }), TO), 0);
  assert.equal(decide(web, caller({ ...own, cgroups: [2n] }), TO), undefined);
  const host = judgingIn([box('allow', { script: [script] })]);
  assert.equal(decide(host, caller({ ...own, cgroups: [1n] }), TO), undefined);
  const deny = judgingIn([box('deny', { script: [script] }), box('allow', {})]);
  assert.equal(decide(deny, caller({ ...own, cgroups: [1n] }), TO), 0, 'by text, wherever it runs');
});

test('an executable that is not known meets every deny rule that names one, or a script, and no allow rule', () => {
  const file = fileOf(1, 2n);
  const resolve = () => file;
  const [known, unknown] = [caller({ executable: fileOf(1, 3n) }), caller({})];
  const deny = judging([box('deny', { exe: ['/usr/bin/curl'] }), box('allow', {})], resolve);
  assert.equal(decide(deny, known, TO), 1);
  assert.equal(decide(deny, unknown, TO), 0);
  const allow = judging([box('allow', { exe: ['/usr/bin/curl'] })], resolve);
  assert.equal(decide(allow, unknown, TO), undefined);
  const script = judging([box('deny', { script: ['/opt/job.py'] }), box('allow', {})]);
  assert.equal(decide(script, known, TO), 1);
  assert.equal(decide(script, unknown, TO), 0);
});

test('a container without a known name is accepted by no rule that names one', () => {
  const boxes = [box('allow', { container: ['*'] }), box('allow', { uid: [0] })];
  const { cgroup } = compileSubjects(boxes, NOWHERE);
  assert.equal(cgroup({ path: '/machine.slice/x' })[0], 0b10);
  assert.equal(cgroup({ path: '/machine.slice/x', container: 'web' })[0], 0b11);
});
