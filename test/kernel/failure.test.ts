/**
 * When something is full, events are lost and counted, verdicts stand. Neither what the kernel itself sends nor what is
 * said to it is ever denied.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Egress } from '../../bpf/egress.ts';
import { Counter } from '../../bpf/wire.ts';
import { Client, type Destination } from './client/client.ts';
import { CONTENT, NAME, NfsServer } from './client/nfs-server.ts';
import { block, compileRules } from './client/policy.ts';
import { takeAll, takeEvents } from './egress/event.ts';
import { leftOut, loadEnforcing } from './enforcing.ts';

const UID = 1000;
const OTHER_UID = 2000;
const SMALLEST = 4096;

const OWN: Destination = { address: '198.51.100.1', port: 9 };
const OTHERS: Destination = { address: '2001:db8::2', port: 9 };
const POLICY = compileRules(`
  allow:
    - { from: { uid: [${UID}] }, to: [{ cidr: [${OWN.address}] }] }
    - { from: { uid: [${OTHER_UID}] }, to: [{ cidr: ["${OTHERS.address}"] }] }
`);
const DENY_ALL = compileRules('  allow: []\n');

let egress: Egress;
before(() => {
  egress = loadEnforcing(undefined, { connections: SMALLEST, denials: SMALLEST });
});
after(() => egress[Symbol.dispose]());

/** Two processes with opposite rights, both going to both destinations. Returns how many of each verdict there were. */
async function goToBoth(rounds: number, by: 'plain' | 'threads' | 'forks'): Promise<number> {
  const destinations = [OWN, OTHERS];
  const [own, others] = await Promise.all(
    [UID, OTHER_UID].map((uid) => new Client({ destinations, rounds, by, uid }).tallies()),
  );
  const right = [
    { allowed: rounds, denied: 0 },
    { allowed: 0, denied: rounds },
  ];
  assert.deepEqual(own, right);
  assert.deepEqual(others, right.toReversed());
  return 2 * rounds;
}

/** What was read, one by one or folded, and lost since the load. */
class Account {
  allowed = 0;
  denied = 0;

  read(): void {
    const { folds, repeated, single } = takeAll(egress);
    for (const { blocked } of single) this.#add(blocked, 1);
    for (const { blocked, count } of repeated) this.#add(blocked, count);
    for (const { count, denied } of folds) this.#add(denied, count);
  }

  #add(denied: boolean, count: number): void {
    if (denied) this.denied += count;
    else this.allowed += count;
  }

  /** That so many were allowed and as many denied, but for runs of programs that the kernel has left out and counted. */
  assertWhole(each: number): void {
    const { lost } = this;
    const missing = [each - this.allowed - lost.allowed, each - this.denied - lost.denied];
    const skipped = leftOut(egress);
    assert.ok(
      missing.every((count) => count >= 0) && missing[0]! + missing[1]! <= skipped,
      `${missing} of ${skipped}`,
    );
  }

  get lost(): { allowed: number; denied: number } {
    const counters = egress.counters();
    return { allowed: counters[Counter.lostConnection]!, denied: counters[Counter.lostDenial]! };
  }
}

test('full rings cost events, which are counted, and no verdict', async (context) => {
  block(egress, POLICY, true);
  const account = new Account();
  const inVain = await goToBoth(3000, 'plain');
  assert(egress.connections.pending > 0 && egress.denials.pending > 0);
  account.read();
  assert(account.allowed > 0 && account.denied > 0, 'what came first is there');
  account.assertWhole(inVain);

  const reading = setInterval(() => account.read(), 1);
  const read = await goToBoth(3000, 'plain');
  clearInterval(reading);
  account.read();
  const { lost } = account;
  context.diagnostic(
    `read ${account.allowed} and ${account.denied}, lost ${lost.allowed} and ${lost.denied}`,
  );
  account.assertWhole(inVain + read);
});

for (const by of ['threads', 'forks'] as const) {
  test(`thousands of short-lived ${by} are judged right`, { timeout: 240_000 }, async () => {
    block(egress, POLICY);
    await goToBoth(by === 'threads' ? 3000 : 1000, by);
    assert.equal(egress.counters()[Counter.lostSubject], 0);
  });
}

/** Whether the kernel's own 9P client reaches a server here: it connects and sends from a thread of the kernel. */
async function kernelSends(): Promise<boolean> {
  let asked = false;
  const server = createServer((socket) => {
    socket.once('data', () => {
      asked = true;
      socket.destroy();
    });
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  mkdirSync('/tmp/9p', { recursive: true });
  const options = `trans=tcp,port=${address.port},version=9p2000.L`;
  const mount = spawn('mount', ['-i', '-t', '9p', '-o', options, '127.0.0.1', '/tmp/9p'], {
    stdio: 'ignore',
  });
  // The server never answers, so this fails in any case.
  await once(mount, 'close');
  server.close();
  return asked;
}

test('a client inside the kernel works although everything is denied', async (context) => {
  egress.flip(0);
  try {
    execFileSync('modprobe', ['-q', '-a', '9p', '9pnet_fd'], { stdio: 'ignore' });
  } catch {
    // Before 5.17 the transport over TCP is part of 9pnet.
  }
  if (!(await kernelSends())) {
    context.skip('this kernel has no 9P over TCP');
    return;
  }
  block(egress, DENY_ALL, true);
  const denied = await new Client({
    destinations: [{ address: '127.0.0.1', port: 564 }],
    rounds: 1,
  }).tallies();
  assert.deepEqual(denied, [{ allowed: 0, denied: 1 }], 'a process is denied');
  assert(await kernelSends(), 'the kernel is not');
});

test('programs that talk to the kernel alone work although everything is denied, and are no event', () => {
  block(egress, DENY_ALL, true);
  takeEvents(egress);
  // It uses a netlink socket of type SOCK_RAW.
  const links = execFileSync('ip', ['-brief', 'link', 'show', 'lo'], { encoding: 'utf8' });
  assert.match(links, /^lo /);
  assert.deepEqual(takeEvents(egress), []);
  egress.flip(0);
});

const MOUNTED = '/tmp/nfs';

function mount(server: NfsServer): Promise<number | null> {
  mkdirSync(MOUNTED, { recursive: true });
  return ended(spawn('mount', ['-i', '-t', 'nfs', '-o', server.options, '127.0.0.1:/', MOUNTED]));
}

async function ended(child: ChildProcess): Promise<number | null> {
  const [status] = (await once(child, 'close')) as [number | null];
  return status;
}

/** Processor time of all workers of the kernel, seconds. */
function workers(): number {
  let ticks = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    let stat: string;
    try {
      stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    } catch {
      // It has ended.
      continue;
    }
    if (!/^\d+ \((kworker|rpciod)/.test(stat)) continue;
    const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14);
    ticks += Number(user) + Number(system);
  }
  return ticks / 100;
}

test('NFS is mounted and read although everything is denied, and no worker loops when its server goes', async (context) => {
  if (spawnSync('modprobe', ['-q', 'nfsv3']).status !== 0) return context.skip('this kernel has no NFS');
  block(egress, DENY_ALL, true);
  const server = await NfsServer.start();
  try {
    assert.equal(await mount(server), 0);
    assert.equal(await readFile(join(MOUNTED, NAME), 'utf8'), CONTENT);
    await server.end();
    // It waits for the server, which workers try to reach again, and again, and more and more seldom.
    const reader = spawn('cat', [join(MOUNTED, NAME)], { stdio: 'ignore' });
    const before = workers();
    await sleep(10_000);
    const seconds = workers() - before;
    reader.kill('SIGKILL');
    await ended(reader);
    context.diagnostic(`the kernel's workers took ${seconds.toFixed(2)} s of 10`);
    assert.ok(seconds < 2, `${seconds} s`);
  } finally {
    spawnSync('umount', ['-f', '-l', MOUNTED]);
    await server.end();
    egress.flip(0);
  }
});
