/** A policy that is not confirmed goes out of force, and a rule ends, in the kernel, at its time, whatever becomes of the daemon. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { bootTime, type Clock } from '../../bpf/clock.ts';
import type { Egress } from '../../bpf/egress.ts';
import { activeSide, applyPolicy } from '../../enforcer/apply.ts';
import { putEnds } from '../../enforcer/end-watch.ts';
import { block, compileRules } from './client/policy.ts';
import { loadEnforcing } from './enforcing.ts';

/** Of each address it allows one of two sockets' ways: to connect, and to send on a socket that is connected long since. */
const A = compileRules(`
  allow:
    - { to: [{ cidr: [127.0.0.11, "::1"] }] }
`);
const B = compileRules(`
  allow:
    - { to: [{ cidr: [127.0.0.12] }] }
`);
const NOBODY = compileRules(`
  deny:
    - { to: [{ cidr: [127.0.0.0/8, "::1"] }] }
  allow: []
`);

/** Tells every few milliseconds, by the clock of boot, to which of the places it can connect, and send. */
const CLIENT = `
import errno, socket, sys, time
places = [("127.0.0.11", socket.AF_INET), ("127.0.0.12", socket.AF_INET), ("::1", socket.AF_INET6)]
kept = {}
for address, family in places:
    kept[address] = socket.socket(family, socket.SOCK_DGRAM)
    try:
        kept[address].connect((address, 9))
    except PermissionError:
        pass
def outcome(call, *args):
    try:
        call(*args)
    except PermissionError:
        return "-"
    except OSError as error:
        return "+" if error.errno in (errno.ECONNREFUSED, errno.EINPROGRESS, errno.ENOTCONN, errno.EDESTADDRREQ) else error.strerror
    return "+"
def stream(address, family):
    with socket.socket(family, socket.SOCK_STREAM) as tcp:
        tcp.setblocking(False)
        return outcome(tcp.connect, (address, 9))
while True:
    begun = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    seen = "".join(stream(*place) for place in places)
    datagrams = "".join(outcome(kept[address].sendto, b"x", (address, 9)) for address, _ in places)
    print(begun, time.clock_gettime_ns(time.CLOCK_BOOTTIME), seen, datagrams, flush=True)
    time.sleep(0.005)
`;

interface Look {
  begun: bigint;
  ended: bigint;
  /** For each place whether it was allowed: by connect(), by sendto(). */
  stream: string;
  datagram: string;
}

let egress: Egress;
let client: ChildProcess;
const looks: Look[] = [];

before(async () => {
  egress = loadEnforcing();
  block(egress, A);
  client = spawn('python3', ['-I', '-S', '-c', CLIENT], { stdio: ['ignore', 'pipe', 'inherit'] });
  createInterface({ input: client.stdout! }).on('line', (line) => {
    const [begun, ended, stream, datagram] = line.split(' ');
    looks.push({ begun: BigInt(begun!), ended: BigInt(ended!), stream: stream!, datagram: datagram! });
  });
  await lookFor('+-+');
});

after(async () => {
  client.kill();
  await once(client, 'exit');
  egress[Symbol.dispose]();
});

/** Waits for the next look at which just these places are allowed, in both ways. */
async function lookFor(expected: string): Promise<Look> {
  for (let from = looks.length; ;) {
    await once(client.stdout!, 'data');
    for (; from < looks.length; from += 1) {
      const look = looks[from]!;
      if (look.stream === expected && look.datagram === expected) return look;
    }
  }
}

/** Waits until all looks that had begun at a time are known. */
async function lookPast(time: bigint): Promise<void> {
  while (looks.at(-1)!.begun <= time) await once(client.stdout!, 'data');
}

/** Puts a policy in force that must be confirmed within so many milliseconds. Returns by when, nanoseconds since boot. */
function tryOut(policy: ReturnType<typeof compileRules>, milliseconds: number): bigint {
  const confirmBy = bootTime() + BigInt(milliseconds) * 1_000_000n;
  applyPolicy(egress, policy, { mode: 'block', target: 'host', record: false, cgroups: [], confirmBy });
  return confirmBy;
}

/** That all looks which began and ended in a time found these places allowed. Returns how many those were. */
function allLooks(from: bigint, to: bigint, expected: string): number {
  const within = looks.filter(({ begun, ended }) => begun > from && ended < to);
  assert.deepEqual(
    within.filter(({ datagram, stream }) => stream !== expected || datagram !== expected),
    [],
  );
  return within.length;
}

/** Keeps this process from doing anything, as if it had been stopped. */
function freeze(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

test('without a confirmation the policy before holds again at that moment, though the daemon does nothing', async () => {
  const generation = egress.generation;
  const applied = bootTime();
  const deadline = tryOut(B, 1500);
  const effective = bootTime();
  freeze(3000);
  const frozenUntil = bootTime();
  await lookFor('+-+');
  const during = allLooks(effective, deadline, '-+-');
  const since = allLooks(deadline, frozenUntil, '+-+');
  assert.ok(during > 10 && since > 10, `${during} looks before and ${since} after`);
  assert.ok(applied < deadline);
  assert.equal(egress.generation, generation + 1n, 'the daemon has done nothing about it yet');
  assert.equal(egress.fallBack(), generation);
  assert.equal(egress.generation, generation);
  assert.equal(egress.confirmBy, undefined);
  allLooks(deadline, (await lookFor('+-+')).begun, '+-+');
});

test('no generation comes twice: what was remembered under the one taken back means nothing under the next', async () => {
  const before = egress.generation;
  tryOut(B, 60_000);
  await lookFor('-+-');
  egress.fallBack();
  const back = await lookFor('+-+');
  // What sockets and threads remember of B must not be taken for the word of this one.
  block(egress, NOBODY);
  const then = bootTime();
  assert.ok(egress.generation > before + 1n, `${egress.generation} after ${before}`);
  const denied = await lookFor('---');
  assert.ok(back.begun < denied.begun);
  allLooks(then, (await lookFor('---')).begun, '---');
  block(egress, A);
  await lookFor('+-+');
});

test('with a confirmation it stays', async () => {
  // Long enough for a busy machine to come to it.
  const deadline = tryOut(B, 5000);
  const effective = bootTime();
  await lookFor('-+-');
  egress.confirm();
  assert.equal(egress.confirmBy, undefined);
  freeze(Math.max(0, Number(deadline - bootTime()) / 1e6) + 300);
  const now = bootTime();
  assert.ok(now > deadline);
  await lookFor('-+-');
  assert.ok(allLooks(effective, now, '-+-') > 10);
  assert.throws(() => egress.fallBack(), /no policy waits/);
});

/** When the rules below end, microseconds since the epoch; in the tests the clock of the host is where it is needed. */
const END = Date.parse('2026-12-31T18:00:00Z') * 1000;
const SECOND = 1_000_000;

/** The clock of a host where it is so many milliseconds before END. */
function clockBeforeEnd(milliseconds: number): Clock {
  const now = bootTime();
  return { now, boot: END - milliseconds * 1000 - Number(now / 1000n) };
}

/** When END is, nanoseconds since boot. */
const endBy = ({ boot }: Clock): bigint => BigInt(Math.round(END - boot)) * 1000n;

function blockBy(rules: string, clock: Clock, confirmBy?: bigint): ReturnType<typeof compileRules> {
  const policy = compileRules(rules);
  applyPolicy(egress, policy, {
    mode: 'block',
    target: 'host',
    record: false,
    cgroups: [],
    clock,
    ...(confirmBy !== undefined && { confirmBy }),
  });
  return policy;
}

const ENDING = `
  allow:
    - { to: [{ cidr: [127.0.0.11] }] }
    - { to: [{ cidr: [127.0.0.12] }], until: "2026-12-31T18:00:01Z" }
    - { to: [{ cidr: ["::1"] }], until: "2026-12-31T18:00:00Z" }
`;

test('a rule ends at its moment, for connections that are open too, though the daemon does nothing', async () => {
  // Time enough for a busy machine to put it in force.
  const clock = clockBeforeEnd(4000);
  const { ends } = blockBy(ENDING, clock);
  const effective = bootTime();
  const [first, second] = [endBy(clock), endBy(clock) + BigInt(SECOND) * 1000n];
  assert.ok(effective < first, 'it came into force too late');
  // Nothing in this process touches the kernel side meanwhile. It only reads on, or the client would wait for it.
  const now = second + 500_000_000n;
  await lookPast(now);
  const counts = [
    allLooks(effective, first, '+++'),
    allLooks(first, second, '++-'),
    allLooks(second, now, '+--'),
  ];
  assert.ok(Math.min(...counts) > 5, counts.join(' '));
  // The daemon comes to it later, and nothing changes.
  const side = activeSide(egress);
  assert.equal(putEnds(egress, side, ends, { ...clock, now: bootTime() }), 2);
  await lookFor('+--');
  // The clock is set back to before both, and forward again.
  assert.equal(putEnds(egress, side, ends, clockBeforeEnd(60_000)), 0);
  await lookFor('+++');
  assert.equal(putEnds(egress, side, ends, clockBeforeEnd(-60_000)), 2);
  await lookFor('+--');
});

test('a rule that has ended when the policy comes into force allows nothing', async () => {
  block(egress, A);
  await lookFor('+-+');
  blockBy(ENDING, clockBeforeEnd(-500_000));
  const effective = bootTime();
  await lookFor('+--');
  allLooks(effective, (await lookFor('+--')).begun, '+--');
});

test('no generation comes twice after rules have ended', async () => {
  blockBy(ENDING, clockBeforeEnd(-500_000));
  await lookFor('+--');
  block(egress, NOBODY);
  const then = bootTime();
  await lookFor('---');
  allLooks(then, (await lookFor('---')).begun, '---');
});

test('rules of the policy before end while another one waits for its confirmation', async () => {
  const clock = clockBeforeEnd(4000);
  blockBy(ENDING, clock);
  await lookFor('+++');
  const confirmBy = endBy(clock) + 500_000_000n;
  blockBy(
    '  allow:\n    - { to: [{ cidr: [127.0.0.12] }], until: "2026-12-31T18:00:00Z" }\n',
    clock,
    confirmBy,
  );
  const effective = bootTime();
  const [first, second] = [endBy(clock), endBy(clock) + BigInt(SECOND) * 1000n];
  assert.ok(effective < first, 'it came into force before anything ended');
  const now = second + 500_000_000n;
  await lookPast(now);
  allLooks(effective, first, '-+-');
  allLooks(first, confirmBy, '---');
  allLooks(confirmBy, second, '++-');
  assert.ok(allLooks(second, now, '+--') > 5);
  egress.fallBack();
  await lookFor('+--');
});

test('the first policy gives way to none', async () => {
  using first = loadEnforcing();
  // Two judges: what one of them denies is denied.
  block(egress, compileRules('  allow:\n    - { to: [{ cidr: [127.0.0.0/8, "::1"] }] }\n'));
  await lookFor('+++');
  // Long enough for a busy machine to put it in force.
  const deadline = bootTime() + 3_000_000_000n;
  applyPolicy(first, NOBODY, {
    mode: 'block',
    target: 'host',
    record: false,
    cgroups: [],
    confirmBy: deadline,
  });
  const effective = bootTime();
  const now = deadline + 700_000_000n;
  await lookPast(now);
  assert.ok(allLooks(effective, deadline, '---') > 3);
  assert.ok(allLooks(deadline, now, '+++') > 3);
});
