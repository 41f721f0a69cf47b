/** Rules by unit and by cgroup hold from the first connection on, before the daemon has heard of the cgroup. */
import assert from 'node:assert/strict';
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import type { Egress } from '../../bpf/egress.ts';
import { Counter } from '../../bpf/wire.ts';
import { Enforcement } from '../../daemon/enforcement.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { ContainerNames } from '../../profiler/identity/container.ts';
import { Client, type Destination } from './client/client.ts';
import { loadEnforcing } from './enforcing.ts';

const ROOT = cgroupRoot();
const by = (address: string): Destination => ({ address, port: 9 });
const UNITS = by('198.51.100.1');
const PATTERNS = by('198.51.100.2');
const CGROUPS = by('198.51.100.3');
const EVERYBODYS = by('198.51.100.4');
const DENIED = by('198.51.100.5');
const DESTINATIONS = [UNITS, PATTERNS, CGROUPS, EVERYBODYS, DENIED];
/** Fits beside the NUL behind it and one more. */
const LONG = `${'u'.repeat(62 - '.service'.length)}.service`;

const policy = (units: string) =>
  parsePolicy(
    `version: 2
network:
  mode: block
  deny:
    - { from: { unit: [watched.service] }, to: [{ cidr: [${DENIED.address}] }] }
  allow:
    - { from: { unit: [${units}, u${LONG}] }, to: [{ cidr: [${UNITS.address}] }] }
    - { from: { unit: ["run-*.service"] }, to: [{ cidr: [${PATTERNS.address}] }] }
    - { from: { cgroup: [/place/of-its-own] }, to: [{ cidr: [${CGROUPS.address}] }] }
    - { to: [{ cidr: [${EVERYBODYS.address}, ${DENIED.address}] }] }
`,
    'test',
  ).policy!;

/** Which of the destinations a process there reaches. */
async function reached(path: string): Promise<Destination[]> {
  const tallies = await new Client({ destinations: DESTINATIONS, rounds: 1, cgroup: ROOT + path }).tallies();
  return DESTINATIONS.filter((_, index) => tallies[index]!.allowed === 1);
}

const idOf = (path: string): bigint => statSync(ROOT + path, { bigint: true }).ino;

/** Another file of tests may have left one of that name. */
function make(path: string): void {
  if (existsSync(ROOT + path)) rmdirSync(ROOT + path);
  mkdirSync(ROOT + path);
}

let egress: Egress;
let enforcement: Enforcement;
before(() => {
  for (const path of ['/system.slice', '/other.slice', '/users.slice', '/place'])
    mkdirSync(ROOT + path, { recursive: true });
  chownSync(`${ROOT}/users.slice`, 1000, 1000);
  egress = loadEnforcing(undefined, { connections: 1 << 20, denials: 1 << 20 });
  enforcement = new Enforcement(egress, new ContainerNames([]), assert.fail);
  enforcement.apply(policy(`fresh.service, ${LONG}`));
});
after(() => {
  enforcement[Symbol.dispose]();
  egress[Symbol.dispose]();
});

test('a unit that a rule names has it in any slice of root, and a denial for it holds', async () => {
  for (const path of ['/system.slice/fresh.service', '/other.slice/fresh.service', `/system.slice/${LONG}`]) {
    make(path);
    assert.deepEqual(await reached(path), [UNITS, EVERYBODYS, DENIED], path);
  }
  make('/system.slice/watched.service');
  assert.deepEqual(await reached('/system.slice/watched.service'), [EVERYBODYS]);
});

test('so has a cgroup that a rule names', async () => {
  make('/place/of-its-own');
  assert.deepEqual(await reached('/place/of-its-own'), [CGROUPS, EVERYBODYS, DENIED]);
});

test('a name that finds no room, and one that only a pattern names, wait for the daemon', async () => {
  for (const path of [`/system.slice/u${LONG}`, '/system.slice/run-1.service']) {
    make(path);
    assert.deepEqual(await reached(path), [EVERYBODYS, DENIED], path);
    enforcement.cgroupMade(idOf(path), path);
  }
  assert.deepEqual(await reached(`/system.slice/u${LONG}`), [UNITS, EVERYBODYS, DENIED]);
  assert.deepEqual(await reached('/system.slice/run-1.service'), [PATTERNS, EVERYBODYS, DENIED]);
});

test('what the daemon has seen once is known when it is made again', async () => {
  make('/system.slice/run-1.service');
  assert.deepEqual(await reached('/system.slice/run-1.service'), [PATTERNS, EVERYBODYS, DENIED]);
});

test('below a cgroup of a user the name of a unit says nothing', async () => {
  make('/users.slice/fresh.service');
  assert.deepEqual(await reached('/users.slice/fresh.service'), [EVERYBODYS, DENIED]);
});

test('after another policy, only what that one says holds', async () => {
  enforcement.apply(policy('afterwards.service'));
  make('/system.slice/fresh.service');
  assert.deepEqual(await reached('/system.slice/fresh.service'), [EVERYBODYS, DENIED]);
  make('/system.slice/afterwards.service');
  assert.deepEqual(await reached('/system.slice/afterwards.service'), [UNITS, EVERYBODYS, DENIED]);
  make('/system.slice/run-1.service');
  assert.deepEqual(await reached('/system.slice/run-1.service'), [PATTERNS, EVERYBODYS, DENIED]);
});

test('a cgroup of version 1 that has the id of another one takes nothing from it', async () => {
  const hierarchy = mkdtempSync('/tmp/version1-');
  const mount = spawnSync('mount', ['-t', 'cgroup', '-o', 'none,name=test', 'none', hierarchy]);
  assert.equal(mount.status, 0, String(mount.stderr));
  /** Each hierarchy gives ids in order, and a cgroup takes as many each time. */
  const passing = (): bigint => {
    mkdirSync(`${hierarchy}/passing`);
    const { ino } = statSync(`${hierarchy}/passing`, { bigint: true });
    rmdirSync(`${hierarchy}/passing`);
    return ino;
  };
  try {
    const first = passing();
    const step = passing() - first;
    let wanted = idOf('/system.slice/afterwards.service');
    for (let tries = 0; tries < 100 && (wanted - first) % step !== 0n; tries += 1) {
      // With another controller a cgroup takes another number of ids.
      const sign = tries % 2 === 0 ? '+' : '-';
      writeFileSync(`${ROOT}/cgroup.subtree_control`, `${sign}pids`);
      make('/system.slice/afterwards.service');
      wanted = idOf('/system.slice/afterwards.service');
    }
    let id = first;
    while (id < wanted) id = passing();
    assert.equal(id, wanted);
    assert.deepEqual(await reached('/system.slice/afterwards.service'), [UNITS, EVERYBODYS, DENIED]);
  } finally {
    spawnSync('umount', [hierarchy]);
    rmdirSync(hierarchy);
  }
});

test('no cgroup went unheard of', () => {
  assert.equal(egress.counters()[Counter.lostCgroup], 0);
});
