/** However many cgroups a user makes, a rule by cgroup holds for one that root makes later; and theirs get no wider. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { Egress } from '../../bpf/egress.ts';
import { DEFAULT_RINGS } from '../../bpf/share.ts';
import { Counter, RecordKind, SubjectKey } from '../../bpf/wire.ts';
import { Enforcement } from '../../daemon/enforcement.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { ContainerNames } from '../../profiler/identity/container.ts';
import { decodeCgroup } from '../../profiler/event/decode.ts';
import { Client, type Destination } from './client/client.ts';

const PROGRAM = join(import.meta.dirname, 'client/cgroups');
const ROOT = cgroupRoot();
const USER = 1000;
/** Entries for cgroups of users. `BOUHEKI_CGROUPS=70000` makes so many rather than a few more. */
const ROOM = 512;
const MANY = Number(process.env.BOUHEKI_CGROUPS ?? ROOM + 100);
const by = (address: string): Destination => ({ address, port: 9 });
const DENIED = by('198.51.100.1');
const ALLOWED = by('198.51.100.2');
const EVERYBODYS = by('198.51.100.3');

const { policy } = parsePolicy(
  `version: 2
network:
  mode: block
  deny:
    - { from: { cgroup: ["/later*"] }, to: [{ cidr: [${DENIED.address}] }] }
    - { from: { unit: [later.service] }, to: [{ cidr: [${DENIED.address}] }] }
    - { from: { container: [later] }, to: [{ cidr: [${DENIED.address}] }] }
  allow:
    - { from: { cgroup: ["/user", "/user/*/inner*"] }, to: [{ cidr: [${ALLOWED.address}] }] }
    - { to: [{ cidr: [${DENIED.address}, ${EVERYBODYS.address}] }] }
`,
  'test',
);

let egress: Egress;
let enforcement: Enforcement;
const warnings: string[] = [];
let drain: NodeJS.Timeout;
/** Cgroup records that the daemon was given. */
let told = 0;

before(() => {
  mkdirSync(`${ROOT}/user`);
  chownSync(`${ROOT}/user`, USER, USER);
  chownSync(`${ROOT}/user/cgroup.procs`, USER, USER);
  egress = Egress.load(undefined, DEFAULT_RINGS, { userCgroups: ROOM });
  enforcement = new Enforcement(egress, new ContainerNames([]), (text) => warnings.push(text));
  enforcement.apply(policy!);
  drain = setInterval(() => {
    const ring = egress.connections;
    ring.drain((at) => {
      if (ring.bytes[at] !== RecordKind.cgroup) return;
      told += 1;
      const { id, path } = decodeCgroup(ring, at);
      enforcement.cgroupMade(id, path);
    });
    enforcement.findLost(egress.counters()[Counter.lostCgroup]!);
  }, 20);
});
after(() => {
  clearInterval(drain);
  enforcement[Symbol.dispose]();
  egress[Symbol.dispose]();
});

/** As the user: `cgroups HOW TIMES` in the cgroup that was given away. */
async function asUser(how: string, times: number): Promise<void> {
  const child = spawn(PROGRAM, [how, String(times), `${ROOT}/user`, String(USER)], { stdio: 'inherit' });
  const [status] = await once(child, 'close');
  assert.equal(status, 0);
}

async function reached(path: string): Promise<Destination[]> {
  const destinations = [DENIED, ALLOWED, EVERYBODYS];
  const tallies = await new Client({ destinations, rounds: 1, cgroup: ROOT + path }).tallies();
  return destinations.filter((_, index) => tallies[index]!.allowed === 1);
}

/** Makes cgroups by which a rule denies, and waits until it does. */
async function denialsHold(name: string): Promise<void> {
  for (const path of [
    `/later-${name}`,
    `/system.slice/later.service/${name}`,
    `/lxc.payload.later/${name}`,
  ]) {
    mkdirSync(ROOT + path, { recursive: true });
    while ((await reached(path)).includes(DENIED)) await wait(20);
    assert.deepEqual(await reached(path), [EVERYBODYS], path);
  }
}

const keys = () => [egress.subjects, egress.userCgroups].map((map) => map.keys().length);

test('cgroups of a user that are what the one above them is take no room', async () => {
  const [before] = keys();
  await asUser('chain', 30);
  const [subjects, users] = keys();
  assert.equal(subjects, before);
  assert.ok(users! <= 8, `${users} for a chain of 30`);
  await asUser('unchain', 30);
  assert.equal(keys()[1], 0, 'what is gone takes none');
});

test('making and removing cgroups all the time takes no room, and little of the daemon', async () => {
  const before = keys();
  const records = told;
  await asUser('churn', 5000);
  assert.deepEqual(keys(), before);
  await wait(50);
  assert.ok(told - records < 2500, `${told - records} records for 5,000 cgroups`);
  await denialsHold('after-churn');
});

test('cgroups that differ, more than there is room for, leave room for those of root', async () => {
  await asUser('wide', MANY);
  while (enforcement.unlisted === 0) await wait(100);
  assert.equal(warnings.length, 1, warnings.join('\n'));
  assert.equal(keys()[1], ROOM);
  await denialsHold('after-wide');
});

test('and in those that found none, denials by cgroup hold and permissions do not', async () => {
  assert.deepEqual(await reached('/user'), [DENIED, ALLOWED, EVERYBODYS], 'root has made that');
  const listed = new Set(egress.userCgroups.keys().map((key) => key.readBigUInt64LE(SubjectKey.offset.a)));
  const paths = Array.from({ length: MANY }, (_, index) => `/user/wide/inner-${index}`);
  const missing = paths.filter((path) => !listed.has(statSync(ROOT + path, { bigint: true }).ino));
  assert.ok(missing.length >= MANY - ROOM);
  assert.deepEqual(await reached(missing[0]!), [EVERYBODYS]);
});

test('when they are gone all is told apart again', { timeout: 120_000 }, async () => {
  await asUser('unwide', MANY);
  enforcement.sweep();
  mkdirSync(`${ROOT}/user/wide/inner`, { recursive: true });
  while (enforcement.unlisted > 0) {
    enforcement.findCgroups();
    await wait(100);
  }
  assert.deepEqual(await reached('/user/wide/inner'), [DENIED, ALLOWED, EVERYBODYS]);
  assert.deepEqual(await reached('/user'), [DENIED, ALLOWED, EVERYBODYS]);
});
