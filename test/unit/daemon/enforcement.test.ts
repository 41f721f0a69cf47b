import assert from 'node:assert/strict';
import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { SystemError } from '../../../bpf/libbpf.ts';
import { Enforcement } from '../../../daemon/enforcement.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import { ContainerNames } from '../../../profiler/identity/container.ts';
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

/** Rules that a cgroup differs by from the one above it. */
const OWN = '{ name: own, from: { cgroup: ["/*/own*"] } }';
const AS_ROOT = { skip: process.getuid!() !== 0 && 'only root can give cgroups away' };

test('a table that is full of cgroups of root is told once, and ends nothing', (t) => {
  const { kernel, enforcement, warnings, make } = fixtureFor(t, OWN);
  const [a, b, c] = [make('/root/own-a'), make('/root/own-b'), make('/root/own-c')];
  const { set } = kernel.subjects;
  kernel.subjects.set = () => {
    throw new SystemError('update of subjects', E2BIG);
  };
  enforcement.cgroupMade(a, '/root/own-a');
  enforcement.cgroupMade(b, '/root/own-b');
  assert.equal(warnings.length, 1);
  kernel.subjects.set = set;
  enforcement.cgroupMade(c, '/root/own-c');
  assert.equal(kernel.epochs, 1);
});

test('cgroups that are what the one above them is take no room', (t) => {
  const { kernel, enforcement, make } = fixtureFor(t, OWN);
  const own = make('/a/own');
  enforcement.cgroupMade(own, '/a/own');
  assert.equal(kernel.subject('cgroup', own)![0], 1);
  const before = kernel.subjects.keys().length;
  for (let index = 0; index < 100; index += 1) {
    enforcement.cgroupMade(make(`/a/${index}`), `/a/${index}`);
    enforcement.cgroupMade(make(`/a/own/${index}`), `/a/own/${index}`);
  }
  assert.equal(kernel.subjects.keys().length, before);
});

test(
  'cgroups of a user that find no room are counted, told once, and leave those of root theirs',
  AS_ROOT,
  (t) => {
    const { kernel, enforcement, warnings, make, give } = fixtureFor(t, OWN);
    make('/users');
    give('/users', 1000);
    const { set } = kernel.userCgroups;
    kernel.userCgroups.set = () => {
      throw new SystemError('update of user_cgroups', E2BIG);
    };
    const lost = make('/users/own-a');
    enforcement.cgroupMade(lost, '/users/own-a');
    enforcement.cgroupMade(lost, '/users/own-a');
    enforcement.cgroupMade(make('/users/own-b'), '/users/own-b');
    assert.deepEqual([enforcement.unlisted, warnings.length, kernel.unlisted[kernel.side]], [2, 1, true]);
    const own = make('/root/own');
    enforcement.cgroupMade(own, '/root/own');
    assert.equal(kernel.subject('cgroup', own)![0], 1);
    kernel.userCgroups.set = set;
    enforcement.findCgroups();
    assert.deepEqual([enforcement.unlisted, kernel.unlisted[kernel.side]], [0, false]);
    assert.equal(kernel.subject('cgroup', lost)![0], 1);
  },
);

test('a look at the cgroups ends however many a user has made, and finds all of root', AS_ROOT, (t) => {
  const { kernel, enforcement, make, give } = fixtureFor(t, OWN);
  make('/users');
  give('/users', 1000);
  for (let index = 0; index < kernel.userCgroupRoom + 10; index += 1) make(`/users/${index}`);
  const own = make('/zz/own');
  enforcement.findCgroups();
  assert.equal(kernel.subject('cgroup', own)![0], 1);
  assert.deepEqual([enforcement.unlisted, kernel.unlisted[kernel.side]], [1, true]);
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
  AS_ROOT,
  (t) => {
    const { kernel, enforcement, make, give } = fixtureFor(t, '{ name: web, from: { container: [web] } }');
    const genuine = make('/lxc.payload.web');
    const claimed = make('/system.slice/delegated.service/lxc.payload.web');
    give('/lxc.payload.web', 100_000);
    give('/system.slice/delegated.service', 1000);
    enforcement.cgroupMade(genuine, '/lxc.payload.web');
    enforcement.cgroupMade(claimed, '/system.slice/delegated.service/lxc.payload.web');
    assert.equal(kernel.subject('cgroup', genuine)![0], 1, 'the only rule');
    assert.equal(kernel.subject('cgroup', claimed), undefined, 'as those above it');
  },
);

test('a policy by name is refused where no answers are read, with the reason, and the one before stays', (t) => {
  const { enforcement, kernel } = fixtureFor(t, OWN);
  const { generation } = kernel;
  enforcement.names = 'the kernel refused names.bpf.o';
  const text = 'version: 2\nnetwork: { allow: [{ to: [{ name: [api.example] }] }] }';
  const { policy } = parsePolicy(text, 'test.yaml');
  assert.throws(() => enforcement.apply(policy!), /allows by DNS name.*: the kernel refused names\.bpf\.o/);
  assert.equal(kernel.generation, generation);
  assert.equal(enforcement.policy.boxes[0]!.name, 'own');
});
