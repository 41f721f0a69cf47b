import assert from 'node:assert/strict';
import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { SystemError } from '../../../bpf/libbpf.ts';
import { Enforcement } from '../../../cli/enforcement.ts';
import { parsePolicy } from '../../../policy/parse.ts';
import { ContainerNames } from '../../../profiler/container.ts';
import { KernelTables } from '../enforcer/kernel-tables.ts';

const E2BIG = 7;

interface Fixture {
  kernel: KernelTables;
  enforcement: Enforcement;
  warnings: string[];
  /** Makes a cgroup and returns its id. */
  make(path: string): bigint;
  /** Gives a cgroup to a user. */
  give(path: string, uid: number): void;
}

/** A policy in force, for a directory that stands for the hierarchy of cgroups. */
function fixtureFor(t: TestContext, rules: string): Fixture {
  const root = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(root, { recursive: true }));
  const kernel = new KernelTables();
  const warnings: string[] = [];
  const enforcement = new Enforcement(
    kernel.egress,
    new ContainerNames([]),
    (text) => warnings.push(text),
    root,
  );
  const { policy } = parsePolicy(`version: 2\nnetwork: { allow: [${rules}] }`, 'test.yaml');
  enforcement.apply(policy!);
  const make = (path: string): bigint => {
    mkdirSync(root + path, { recursive: true });
    return statSync(root + path, { bigint: true }).ino;
  };
  const give = (path: string, uid: number): void => chownSync(root + path, uid, uid);
  return { kernel, enforcement, warnings, make, give };
}

test('a table that is full of cgroups is told once, and ends nothing', (t) => {
  const { kernel, enforcement, warnings, make } = fixtureFor(t, '');
  const [a, b, c] = [make('/a'), make('/b'), make('/c')];
  const { set } = kernel.subjects;
  kernel.subjects.set = () => {
    throw new SystemError('update of subjects', E2BIG);
  };
  enforcement.cgroupMade(a, '/a');
  enforcement.cgroupMade(b, '/b');
  assert.equal(warnings.length, 1);
  kernel.subjects.set = set;
  enforcement.cgroupMade(c, '/c');
  assert.equal(kernel.epochs, 1);
});

const SERVICE = '{ name: service, from: { unit: [ssh.service] } }';

test('a cgroup is not taken for the one that the end of its path names', (t) => {
  const { kernel, enforcement, make } = fixtureFor(t, SERVICE);
  const path = '/system.slice/ssh.service/worker';
  const genuine = make(path);
  const cutOff = make(`/user.slice/mine${path}`);
  enforcement.cgroupMade(genuine, path);
  enforcement.cgroupMade(cutOff, path);
  assert.ok(kernel.subject('cgroup', genuine));
  assert.equal(kernel.subject('cgroup', cutOff), undefined);
});

test('a cgroup that was made unheard is found when the kernel side has lost something', (t) => {
  const { kernel, enforcement, make } = fixtureFor(t, SERVICE);
  const id = make('/system.slice/ssh.service');
  enforcement.findLost(0);
  assert.equal(kernel.subject('cgroup', id), undefined);
  enforcement.findLost(1);
  assert.ok(kernel.subject('cgroup', id));
  assert.equal(kernel.epochs, 1);
  enforcement.findLost(1);
  enforcement.findCgroups();
  assert.equal(kernel.epochs, 1, 'once');
});

test('one of every eight nested cgroups is listed although the one above it means the same', (t) => {
  const { kernel, enforcement, make } = fixtureFor(t, SERVICE);
  const names = Array.from({ length: 20 }, (_, level) => `/${level}`);
  const ids = names.map((_, level) => make(names.slice(0, level + 1).join('')));
  enforcement.findCgroups();
  const listed = ids.flatMap((id, level) => (kernel.subject('cgroup', id) ? [level + 1] : []));
  assert.deepEqual(listed, [8, 16]);
});

test(
  'a container that owns its cgroup is known by its name, and one that somebody else could have made is not',
  { skip: process.getuid!() !== 0 && 'only root can give cgroups away' },
  (t) => {
    const { kernel, enforcement, make, give } = fixtureFor(t, '{ name: web, from: { container: [web] } }');
    const genuine = make('/lxc.payload.web');
    const claimed = make('/system.slice/delegated.service/lxc.payload.web');
    give('/lxc.payload.web', 100_000);
    give('/system.slice/delegated.service', 1000);
    enforcement.cgroupMade(genuine, '/lxc.payload.web');
    enforcement.cgroupMade(claimed, '/system.slice/delegated.service/lxc.payload.web');
    assert.equal(kernel.subject('cgroup', genuine)![0], 1, 'the only rule');
    assert.equal(kernel.subject('cgroup', claimed)![0], 0);
  },
);
