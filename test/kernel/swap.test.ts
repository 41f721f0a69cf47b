/** A swap of policies is atomic: no connection is ever judged by parts of two. A swap that fails changes nothing. */
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Egress } from '../../bpf/egress.ts';
import { MAX_BOXES, MAX_SUBJECT_KEYS } from '../../bpf/wire.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { emptyVector } from '../../enforcer/vector/box-vector.ts';
import { Client, type Destination, type Tally } from './client/client.ts';
import { block, compileRules } from './client/policy.ts';
import { loadEnforcing } from './enforcing.ts';

/** Long with BOUHEKI_LONG. */
const SWAPS = process.env['BOUHEKI_LONG'] === undefined ? 300 : 1000;
const CLIENTS = 4;
const UID = 1000;

// Rules at the same place in both policies, of which a mixture allows what each of them denies: the second by the
// subjects of B and the addresses of A, the third by the addresses of A and the ports of B, the fourth by the subjects
// of A and the addresses of B. What B's first rule denies is allowed by B's tables with A's number of deny rules.
const A = compileRules(`
  allow:
    - { from: { uid: [${UID}] }, to: [{ cidr: [198.51.100.1] }] }
    - { from: { uid: [2000] }, to: [{ cidr: [198.51.100.2] }] }
    - { from: { uid: [${UID}] }, to: [{ cidr: [198.51.100.3], port: [100] }] }
    - { from: { uid: [${UID}] }, to: [{ cidr: [198.51.100.40] }] }
    - { to: [{ cidr: [198.51.100.9, "2001:db8::9"] }] }
`);
const B = compileRules(`
  deny:
    - { to: [{ cidr: [203.0.113.66, "2001:db8::66"] }] }
  allow:
    - { from: { uid: [${UID}] }, to: [{ cidr: [203.0.113.1] }] }
    - { from: { uid: [${UID}] }, to: [{ cidr: [203.0.113.3], port: [200] }] }
    - { from: { uid: [2000] }, to: [{ cidr: [203.0.113.4] }] }
    - { to: [{ cidr: [198.51.100.9, "2001:db8::9"] }] }
`);

const by = (address: string, port = 9): Destination => ({ address, port });
const ONLY_A = [by('198.51.100.1'), by('198.51.100.3', 100)];
const ONLY_B = [by('203.0.113.1'), by('203.0.113.3', 200)];
const MIXTURES = [by('198.51.100.2'), by('198.51.100.3', 200), by('203.0.113.4')];
const NEITHER = [by('203.0.113.66'), by('2001:db8::66'), by('192.0.2.1'), ...MIXTURES];
const BOTH = [by('198.51.100.9'), by('2001:db8::9')];
const DESTINATIONS = [...ONLY_A, ...ONLY_B, ...NEITHER, ...BOTH];

let egress: Egress;
before(() => {
  egress = loadEnforcing(undefined, { connections: 4096, denials: 4096 });
});
after(() => egress[Symbol.dispose]());

async function startClients(): Promise<Client[]> {
  const clients = Array.from(
    { length: CLIENTS },
    () => new Client({ destinations: DESTINATIONS, call: 'SEND', uid: UID }),
  );
  await Promise.all(clients.map((client) => client.begun()));
  return clients;
}

/** What all of them met together, by destination. */
async function finishAll(clients: readonly Client[]): Promise<Map<Destination, Tally>> {
  const tallies = await Promise.all(clients.map((client) => client.finish()));
  return new Map(
    DESTINATIONS.map((destination, index) => [
      destination,
      {
        allowed: tallies.reduce((sum, own) => sum + own[index]!.allowed, 0),
        denied: tallies.reduce((sum, own) => sum + own[index]!.denied, 0),
      },
    ]),
  );
}

/** What one client meets under the policy in force. */
async function allowedNow(): Promise<Destination[]> {
  const tallies = await new Client({
    destinations: DESTINATIONS,
    call: 'SEND',
    uid: UID,
    rounds: 1,
  }).tallies();
  return DESTINATIONS.filter((_, index) => tallies[index]!.allowed === 1);
}

test('each policy alone allows what it should', async () => {
  block(egress, A);
  assert.deepEqual(await allowedNow(), [...ONLY_A, ...BOTH]);
  block(egress, B);
  assert.deepEqual(await allowedNow(), [...ONLY_B, ...BOTH]);
});

test('a mixture would be noticed', async () => {
  block(egress, { ...A, subjects: B.subjects });
  assert((await allowedNow()).includes(MIXTURES[0]!), 'subjects of B, the rest of A');
  block(egress, { ...A, ports: B.ports, portClass: B.portClass });
  assert((await allowedNow()).includes(MIXTURES[1]!), 'ports of B, the rest of A');
  block(egress, { ...B, denyBoxes: 0, subjects: A.subjects });
  const allowed = await allowedNow();
  assert(allowed.includes(MIXTURES[2]!), 'subjects of A, the rest of B');
  assert(allowed.includes(NEITHER[0]!), 'number of deny rules of A, the rest of B');
});

test(
  'every verdict during hundreds of swaps is that of one policy',
  { timeout: 120_000 },
  async (context) => {
    block(egress, B);
    const clients = await startClients();
    const began = performance.now();
    for (let swap = 0; swap < SWAPS; swap += 1) {
      block(egress, swap % 2 === 0 ? A : B);
      // Lets the clients meet this one too, and the test runner work.
      if (swap % 16 === 0) await sleep(1);
    }
    const milliseconds = performance.now() - began;
    const tallies = await finishAll(clients);
    const attempts = [...tallies.values()].reduce((sum, { allowed, denied }) => sum + allowed + denied, 0);
    context.diagnostic(
      `${attempts} connections during ${SWAPS} swaps of ${(milliseconds / SWAPS).toFixed(1)} ms`,
    );
    for (const destination of NEITHER) {
      assert.equal(
        tallies.get(destination)!.allowed,
        0,
        `both deny ${destination.address}:${destination.port}`,
      );
    }
    for (const destination of BOTH) {
      assert.equal(
        tallies.get(destination)!.denied,
        0,
        `both allow ${destination.address}:${destination.port}`,
      );
    }
    for (const destination of [...ONLY_A, ...ONLY_B]) {
      const { allowed, denied } = tallies.get(destination)!;
      assert(allowed > 0 && denied > 0, `${destination.address}: ${allowed} allowed, ${denied} denied`);
    }
    assert(attempts > SWAPS, `only ${attempts} connections in all`);
  },
);

// Of the side that was in force hooks may still read: it may only be filled anew when they have ended. test/vm runs this
// with nohz_full=, where the kernel refuses membarrier().
test('a swap returns only after a grace period of the kernel', () => {
  const tracing = '/sys/kernel/tracing';
  // Later kernels wait in the other way.
  for (const by of ['synchronize_rcu', 'synchronize_rcu_expedited'])
    appendFileSync(`${tracing}/kprobe_events`, `r:grace/${by} ${by}\n`);
  try {
    writeFileSync(`${tracing}/events/grace/enable`, '1');
    writeFileSync(`${tracing}/trace`, '');
    const generation = egress.flip(0);
    const ended = readFileSync(`${tracing}/trace`, 'utf8').match(/^.*-(\d+) .*: synchronize_rcu\w*:/gm) ?? [];
    assert(
      ended.some((line) => line.includes(`-${process.pid} `)),
      `no grace period during the swap to ${generation}: ${ended.join('; ')}`,
    );
  } finally {
    writeFileSync(`${tracing}/events/grace/enable`, '0');
    for (const by of ['synchronize_rcu', 'synchronize_rcu_expedited'])
      appendFileSync(`${tracing}/kprobe_events`, `-:grace/${by}\n`);
  }
});

test('a policy that is too large leaves the one in force', async () => {
  block(egress, A);
  const { generation } = egress;
  const to = Array.from({ length: MAX_BOXES + 1 }, (_, index) => `{ port: [${index + 1}] }`);
  assert.throws(() => compileRules(`  allow: [{ to: [${to.join(', ')}] }]\n`), /the kernel side takes 512/);
  assert.equal(egress.generation, generation);
  assert.deepEqual(await allowedNow(), [...ONLY_A, ...BOTH]);
});

test('a policy whose cgroups do not fit leaves the one in force', { timeout: 120_000 }, async () => {
  block(egress, A);
  const { generation } = egress;
  const boxes = emptyVector();
  const cgroups = Array.from({ length: MAX_SUBJECT_KEYS + 1 }, (_, id) => ({ id: BigInt(id) << 40n, boxes }));
  const options = { mode: 'block', target: 'host', record: false, cgroups } as const;
  assert.throws(
    () => applyPolicy(egress, B, options),
    /has no room for \d+ commands, executables and ids, 0 names and 65537 cgroups /,
  );
  assert.equal(egress.generation, generation);
  assert.deepEqual(await allowedNow(), [...ONLY_A, ...BOTH]);
  block(egress, B);
  assert.deepEqual(await allowedNow(), [...ONLY_B, ...BOTH], 'the next one finds room');
});
