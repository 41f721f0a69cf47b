/** A candidate is judged by the reference, on what is recorded, and counted where it differs from the policy in force. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../arbitrary/fast-check.ts';
import { ProcessFlag, SocketKind } from '../../../bpf/wire.ts';
import { EventTap, type TapListener } from '../../../daemon/shadow/event-tap.ts';
import { type Candidate, Shadow } from '../../../daemon/shadow/shadow.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import { evaluate } from '../../../policy/meaning/evaluate.ts';
import { stops } from '../../../policy/meaning/mode.ts';
import type { Flow, Policy } from '../../../policy/meaning/policy.ts';
import { EventBatch, Operation, Verdict } from '../../../profiler/event/batch.ts';
import { Known } from '../../../profiler/event/columns.ts';
import { discarding, type EventSink } from '../../../profiler/event/sink.ts';
import { accountTable, flow, opening, PLAIN } from '../../arbitrary/flow.ts';
import { processRow } from '../profiler/fixture.ts';
import { writtenPolicy } from '../../arbitrary/policy.ts';
import { NAMING, WORLD, type World } from '../../arbitrary/world.ts';

const POLICIES = 100;
const FLOWS_EACH = 110;

/** Numbers what it is given, as a recording does. */
function numbering(): EventSink {
  let last = 0;
  const next = (): number => (last += 1);
  return { ...discarding(), process: next, container: next, command: next, credential: next, nameSet: next };
}

interface Counted {
  tap: EventTap;
  shadow: Shadow;
  said: string[];
}

function counted(candidate: Candidate, now: () => number): Counted {
  const said: string[] = [];
  let shadow: Shadow | undefined;
  const tap = new EventTap(
    numbering(),
    (each) => (shadow = new Shadow(each, candidate, (text) => said.push(text), now)),
    (error) => {
      throw error;
    },
  );
  return { tap, shadow: shadow!, said };
}

const candidateOf = (policy: Policy, world: World = WORLD): Candidate => ({
  policy,
  hash: 'abc',
  file: '/next.yaml',
  accounts: accountTable(world),
});

/** The row of a process that the record has. */
function processOf(
  tap: EventTap,
  { cgroup, container, exe, image, inContainer, script, unit }: Flow,
): number {
  const named = { name: container ?? '', image: image ?? '', runtime: 'podman', id: 'a', imageId: '' };
  return tap.process(
    processRow({
      exe: exe ?? '',
      script: script ?? '',
      cgroupPath: cgroup ?? '',
      flags: inContainer ? ProcessFlag.inContainer : 0,
      ...(unit !== undefined && { unit }),
      ...(container !== undefined && { containerId: tap.container(named) }),
    }),
  );
}

/** What the record has of a connection, into a batch. */
function put(tap: EventTap, batch: EventBatch, each: Flow, verdict: number): void {
  const { columns } = batch;
  const row = batch.length;
  const { address, names: [name] = [], socket } = each;
  columns.process[row] = processOf(tap, each);
  columns.command[row] = tap.command(each.command);
  const { egid, euid, fsgid = egid, fsuid = euid, gid, uid } = each;
  columns.credential[row] = tap.credential({ uid, euid, fsuid, gid, egid, fsgid });
  columns.family[row] = address.family;
  columns.addressHigh[row] = address.value >> 64n;
  columns.addressLow[row] = BigInt.asUintN(64, address.value);
  columns.port[row] = socket === undefined ? each.port : SocketKind[socket];
  columns.protocol[row] = each.protocol;
  columns.operation[row] = socket === undefined ? Operation.connect : Operation.open;
  columns.verdict[row] = verdict;
  columns.names[row] = name === undefined ? 0 : tap.nameSet([name.name]);
  columns.known[row] = name === undefined ? 0 : Known.self;
  columns.age[row] = name?.age ?? 0;
  columns.count[row] = 1;
  columns.time[row] = BigInt(each.at ?? 5_000_000);
  batch.length += 1;
  batch.events += 1;
}

/** What the record has of a flow: no supplementary groups, not which host of a fleet this is, and of one name how old it is. */
function recordable({ groups: _groups, host: _host, names, ...rest }: Flow): Flow {
  return { ...rest, ...(names && { names: names.slice(0, 1) }) };
}

test(`its counts are those of the reference for ${POLICIES * FLOWS_EACH} random connections`, () => {
  const found = { denies: 0, allows: 0 };
  for (const world of [WORLD, NAMING]) {
    const either = fc.oneof({ weight: 5, arbitrary: flow(world) }, { weight: 1, arbitrary: opening(world) });
    const pair = fc.tuple(writtenPolicy(world), writtenPolicy(world));
    const flows = fc.array(either, { minLength: FLOWS_EACH, maxLength: FLOWS_EACH });
    fc.assert(
      fc.property(pair, fc.noShrink(flows), ([live, next], all) => {
        const moment = all[0]!.at!;
        const { shadow, tap } = counted(candidateOf(next.policy, world), () => moment);
        const batch = new EventBatch();
        const expected = { judged: 0, denies: 0, allows: 0 };
        for (const each of all.map(recordable)) {
          const at = { ...each, at: moment };
          const isDenied = evaluate(live.policy, at).action === 'deny';
          const denies = stops(next.policy, evaluate(next.policy, at));
          put(tap, batch, at, isDenied ? Verdict.deny : Verdict.allow);
          expected.judged += 1;
          if (denies && !isDenied) expected.denies += 1;
          if (!denies && isDenied) expected.allows += 1;
        }
        tap.append(batch);
        const { allows, denies, judged, unknown } = shadow.status;
        assert.deepEqual({ judged, denies, allows, unknown }, { ...expected, unknown: 0 }, next.text);
        found.denies += denies;
        found.allows += allows;
      }),
      { numRuns: POLICIES / 2 },
    );
  }
  assert.ok(found.denies > 200 && found.allows > 200, JSON.stringify(found));
});

function policyOf(rules: string): Policy {
  return parsePolicy(`version: 2\nnetwork: { mode: block, ${rules} }`, 'test').policy!;
}

function batchOf(tap: EventTap, ...events: [Flow, number][]): EventBatch {
  const batch = new EventBatch();
  for (const [each, verdict] of events) put(tap, batch, each, verdict);
  return batch;
}

test('who differs is counted, those of most differences first, and said once', () => {
  const { said, shadow, tap } = counted(
    candidateOf(policyOf('allow: [{ to: [{ port: [80] }] }]')),
    () => 5e6,
  );
  const other = { ...PLAIN, uid: 7, port: 80 };
  tap.append(
    batchOf(
      tap,
      [PLAIN, Verdict.allow],
      [other, Verdict.noted],
      [PLAIN, Verdict.allow],
      [PLAIN, Verdict.deny],
      [{ ...PLAIN, port: 80 }, Verdict.allow],
    ),
  );
  assert.deepEqual(shadow.status, {
    file: '/next.yaml',
    policyHash: 'abc',
    since: 5e6,
    judged: 5,
    denies: 2,
    allows: 1,
    unknown: 0,
    subjects: [
      { subject: '/usr/bin/curl, uid 1000', denies: 2, allows: 0 },
      { subject: '/usr/bin/curl, uid 7', denies: 0, allows: 1 },
    ],
  });
  assert.deepEqual(said, [
    'Shadow: /next.yaml would deny what is allowed: /usr/bin/curl, uid 1000 to 10.0.0.1:443/tcp.\n',
    'Shadow: /next.yaml would allow what is denied: /usr/bin/curl, uid 7 to 10.0.0.1:80/tcp.\n',
  ]);
});

test('the name of a program makes no line of its own', () => {
  const { said, tap } = counted(candidateOf(policyOf('allow: []')), () => 5e6);
  const hostile = { ...PLAIN, exe: '/tmp/a\nbouheki: nothing is denied\u001b[2K' };
  tap.append(batchOf(tap, [hostile, Verdict.allow]));
  assert.deepEqual(said, [
    'Shadow: /next.yaml would deny what is allowed: /tmp/a\\u{a}bouheki: nothing is denied\\u{1b}[2K, uid 1000 to 10.0.0.1:443/tcp.\n',
  ]);
});

test('what was folded counts as often as it was, intents never, and who is not known by himself', () => {
  const { shadow, tap } = counted(candidateOf(policyOf('allow: []')), () => 5e6);
  const batch = batchOf(tap, [PLAIN, Verdict.allow], [PLAIN, Verdict.allow]);
  batch.columns.operation[1] = Operation.intent;
  tap.append(batch);
  const names = ['process', 'command', 'credential', 'family', 'addressHigh', 'addressLow'] as const;
  const row = Object.fromEntries(names.map((name) => [name, batch.columns[name][0]])) as never;
  const rest = {
    port: 1,
    protocol: 6,
    operation: Operation.send,
    verdict: Verdict.allow,
    box: 0,
    names: 0,
    known: 0,
    age: 0,
  };
  tap.folded(Object.assign({}, row, rest, { count: 40, first: 5e6, last: 5e6 }));
  tap.folded(Object.assign({}, row, rest, { process: 0, count: 3, first: 5e6, last: 5e6 }));
  const { denies, judged, unknown } = shadow.status;
  assert.deepEqual({ denies, judged, unknown }, { denies: 41, judged: 41, unknown: 3 });
});

test('another candidate is counted anew, the same text goes on', () => {
  const { shadow, tap } = counted(candidateOf(policyOf('allow: []')), () => 5e6);
  tap.append(batchOf(tap, [PLAIN, Verdict.allow]));
  shadow.replace(candidateOf(policyOf('allow: []')));
  assert.equal(shadow.status.denies, 1);
  shadow.replace({ ...candidateOf(policyOf('allow: [{}]')), hash: 'def' });
  assert.deepEqual([shadow.status.judged, shadow.status.subjects], [0, []]);
  tap.append(batchOf(tap, [PLAIN, Verdict.deny]));
  assert.deepEqual([shadow.status.denies, shadow.status.allows], [0, 1]);
});

test('what was judged before it came is not counted', () => {
  const { shadow, tap } = counted(candidateOf(policyOf('allow: []')), () => 6e6);
  const batch = batchOf(tap, [PLAIN, Verdict.allow], [{ ...PLAIN, at: 6e6 }, Verdict.allow]);
  tap.append(batch);
  assert.equal(shadow.status.judged, 1);
});

test('a container that gets its name later has it at the next second', () => {
  let now = 5e6;
  const { shadow, tap } = counted(
    candidateOf(policyOf('allow: [{ from: { container: [web] } }]')),
    () => now,
  );
  const container = { name: '', image: '', runtime: 'podman', id: 'a', imageId: '' };
  const inside = { ...PLAIN, exe: '/bin/a', inContainer: true, container: '' };
  const batch = batchOf(tap, [inside, Verdict.allow]);
  tap.append(batch);
  const { containerId } = tap.processes.get(batch.columns.process[0]!)!;
  tap.updateContainer(containerId!, { ...container, name: 'web' });
  now += 1e6;
  tap.append(batch);
  assert.deepEqual([shadow.status.judged, shadow.status.denies], [2, 1]);
});

test('what fails in it reaches nobody who records', () => {
  const failures: unknown[] = [];
  const failing: TapListener = {
    batch: () => {
      throw new Error('broken');
    },
    folded: () => {},
  };
  const tap = new EventTap(
    numbering(),
    () => failing,
    (error) => failures.push(error),
  );
  const batch = batchOf(tap, [PLAIN, Verdict.allow]);
  tap.append(batch);
  tap.append(batch);
  assert.equal(failures.length, 1);
  assert.equal(tap.counters.events, 2);
});

test('of a flood of names the latest are known, and the others count as unknown', () => {
  const { shadow, tap } = counted(candidateOf(policyOf('allow: []')), () => 5e6);
  const batch = batchOf(tap, [PLAIN, Verdict.allow]);
  for (let name = 0; name < 131_072; name += 1) tap.command(String(name));
  tap.append(batch);
  assert.deepEqual([shadow.status.judged, shadow.status.unknown], [0, 1]);
  const { columns } = batch;
  columns.command[0] = tap.command('curl');
  tap.append(batch);
  assert.deepEqual([shadow.status.judged, shadow.status.unknown], [1, 1]);
});

test('images that are dropped are forgotten', () => {
  const { shadow, tap } = counted(candidateOf(policyOf('allow: []')), () => 5e6);
  const batch = batchOf(tap, [PLAIN, Verdict.allow]);
  tap.settle(new Int32Array([batch.columns.process[0]! + 1]));
  tap.append(batch);
  assert.equal(shadow.status.unknown, 1);
});
