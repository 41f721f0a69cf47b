import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemError } from '../../../bpf/libbpf.ts';
import { SideFlag } from '../../../bpf/wire.ts';
import { applyPolicy, listCgroup, unlistCgroup } from '../../../enforcer/apply.ts';
import { listCgroups } from '../../../enforcer/cgroup-list.ts';
import { compilePolicy } from '../../../enforcer/compile.ts';
import { compileSubjects } from '../../../enforcer/subject.ts';
import { BouhekiError } from '../../../error/error.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import type { Box } from '../../../policy/meaning/policy.ts';
import { type Caller, decide } from './kernel-judge.ts';
import { KernelTables } from './kernel-tables.ts';

const CALLER: Caller = { comm: Buffer.alloc(16), uid: 7, euid: 7, gid: 7, egid: 7, cgroups: [50n, 1n] };
const TO = { family: 4, address: 0x0a00_0001n, port: 443, protocol: 6 } as const;
const OPTIONS = { mode: 'block', target: 'host', record: true, cgroups: [] } as const;

const placeOf = (path: string) => (path.startsWith('/a/web') ? { path, container: 'web' } : { path });

const compiled = (source: string) => {
  const { policy, problems } = parsePolicy(source, 'test.yaml');
  assert.ok(policy, JSON.stringify(problems));
  return compilePolicy(policy, () => undefined);
};

test('nothing of the policy before is left on the side that comes into force again', () => {
  const kernel = new KernelTables();
  const seven = compiled(
    'version: 2\nnetwork: { allow: [{ from: { uid: [7] }, to: [{ cidr: [10.0.0.0/8] }] }] }',
  );
  const eight = compiled('version: 2\nnetwork: { allow: [{ from: { uid: [8] }, to: [{ port: [443] }] }] }');
  const nothing = compiled('version: 2\nnetwork: { allow: [] }');
  assert.equal(applyPolicy(kernel.egress, seven, OPTIONS), 1n);
  assert.equal(decide(kernel, CALLER, TO), 0);
  applyPolicy(kernel.egress, eight, OPTIONS);
  assert.equal(decide(kernel, CALLER, TO), undefined);
  applyPolicy(kernel.egress, nothing, OPTIONS);
  assert.equal(decide(kernel, CALLER, TO), undefined);
  applyPolicy(kernel.egress, seven, OPTIONS);
  assert.equal(decide(kernel, CALLER, TO), 0);
});

test('mode, target and recording become the flags of the side', () => {
  const kernel = new KernelTables();
  const policy = compiled('version: 2\nnetwork: { allow: [] }');
  applyPolicy(kernel.egress, policy, OPTIONS);
  assert.equal(kernel.flags[1], SideFlag.policy | SideFlag.block | SideFlag.record);
  applyPolicy(kernel.egress, policy, { ...OPTIONS, mode: 'monitor', target: 'container', record: false });
  assert.equal(kernel.flags[0], SideFlag.policy | SideFlag.containers);
});

test('a full map is said, and what to do about it', () => {
  const kernel = new KernelTables();
  const policy = compiled('version: 2\nnetwork: { allow: [{ from: { uid: [7] } }] }');
  kernel.subjects.set = () => {
    throw new SystemError('update of subjects', 7);
  };
  assert.throws(
    () => applyPolicy(kernel.egress, policy, OPTIONS),
    (error) => error instanceof BouhekiError && /no room for 1 commands/.test(error.message),
  );
});

test('when filling fails, the policy in force stays', () => {
  const kernel = new KernelTables();
  applyPolicy(kernel.egress, compiled('version: 2\nnetwork: { allow: [{ from: { uid: [7] } }] }'), OPTIONS);
  const set = kernel.subjects.set;
  kernel.subjects.set = () => assert.fail('no room');
  assert.throws(() => {
    applyPolicy(kernel.egress, compiled('version: 2\nnetwork: { allow: [{ from: { uid: [8] } }] }'), OPTIONS);
  }, /no room/);
  kernel.subjects.set = set;
  assert.equal(kernel.generation, 1n);
  assert.equal(decide(kernel, CALLER, TO), 0);
});

test('a cgroup that is listed after the flip is judged by its own boxes, one that is forgotten by those above it', () => {
  const kernel = new KernelTables();
  const policy = compiled('version: 2\nnetwork: { allow: [{ from: { container: [web] } }] }');
  const cgroups = [{ id: 1n, boxes: policy.subjects.cgroup({ path: '/' }) }];
  applyPolicy(kernel.egress, policy, { ...OPTIONS, cgroups });
  assert.equal(decide(kernel, CALLER, TO), undefined);
  listCgroup(kernel.egress, { id: 50n, boxes: policy.subjects.cgroup({ path: '/x', container: 'web' }) });
  assert.equal(kernel.epochs, 1);
  assert.equal(decide(kernel, CALLER, TO), 0);
  unlistCgroup(kernel.egress, 50n);
  assert.equal(decide(kernel, CALLER, TO), undefined);
});

test('of the cgroups that exist, those are listed that are accepted otherwise than the one above', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const path of ['/a/web/inner', '/a/other', '/b']) mkdirSync(root + path, { recursive: true });
  const boxes: Box[] = [{ action: 'allow', name: 'web', from: { container: ['web'] }, to: {} }];
  const subjects = compileSubjects(boxes, () => undefined);
  const { found: listed } = listCgroups(subjects, placeOf, 100, root);
  const idOf = (path: string) => statSync(root + path, { bigint: true }).ino;
  assert.deepEqual(
    listed.map(({ id, boxes: [first] }) => ({ id, first })),
    [
      { id: idOf(''), first: 0 },
      { id: idOf('/a/web'), first: 1 },
    ],
  );
});

test('a policy larger than the tables of the kernel side is refused, and says how large it is', () => {
  const rules = Array.from({ length: 513 }, (_, uid) => `{ from: { uid: [${uid}] } }`).join(',');
  assert.throws(
    () => compiled(`version: 2\nnetwork: { allow: [${rules}] }`),
    (error) =>
      error instanceof BouhekiError &&
      /513 boxes.*takes 512/.test(error.message) &&
      error.remedy !== undefined,
  );
  const ids = Array.from({ length: 16_385 }, (_, uid) => uid).join(',');
  assert.throws(
    () => compiled(`version: 2\nnetwork: { allow: [{ from: { uid: [${ids}] } }] }`),
    /16385 commands/,
  );
});
