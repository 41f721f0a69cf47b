/**
 * The kernel side, policy/meaning/evaluate.ts and a replay of what was recorded give the same verdict where the names of a
 * destination decide.
 */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootTime } from '../../bpf/clock.ts';
import { Egress } from '../../bpf/egress.ts';
import { Names } from '../../bpf/name/names.ts';
import { applyPolicy, type NameSides } from '../../enforcer/apply.ts';
import { compilePolicy, type CompiledPolicy } from '../../enforcer/compile.ts';
import { knownKey, knownValue, type NameSlot } from '../../enforcer/name/known-address.ts';
import { nameClass } from '../../enforcer/name/name-table.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { flowOf } from '../../generator/subject/flow.ts';
import { evaluate } from '../../policy/meaning/evaluate.ts';
import { compileEvaluator } from '../../policy/meaning/evaluator.ts';
import type { Flow, Policy } from '../../policy/meaning/policy.ts';
import { formatAddress } from '../../policy/value/address.ts';
import { AccountNames } from '../../profiler/identity/account.ts';
import { ContainerNames } from '../../profiler/identity/container.ts';
import { CredentialTable } from '../../profiler/identity/credential-table.ts';
import { ProcessTable } from '../../profiler/identity/process-table.ts';
import { Resolvers } from '../../profiler/name/resolvers.ts';
import { openReader } from '../../profiler/read/read.ts';
import type { ConnectionNames } from '../../profiler/record/connection-names.ts';
import { Recorder } from '../../profiler/record/recorder.ts';
import type { Recording } from '../../profiler/record/recording.ts';
import { openRecorder, type RecordStore } from '../../profiler/store/store.ts';
import fc from '../arbitrary/fast-check.ts';
import { accountTable, flow } from '../arbitrary/flow.ts';
import { writtenPolicy } from '../arbitrary/policy.ts';
import { NAMING, WORLD } from '../arbitrary/world.ts';
import { LEARN, startRecording } from '../unit/profiler/fixture.ts';
import { Prober } from './differential/prober.ts';

/** Long with BOUHEKI_LONG. */
const POLICIES = process.env['BOUHEKI_LONG'] === undefined ? 100 : 300;
const FLOWS_EACH = 40;
const SEED = 20_221_020;
const PROBER = join(import.meta.dirname, 'differential/prober');
/** Seconds after the end of a TTL, for those that are over: not older than a guest that has just booted. */
const AGE = 30;

/** The names are put into the map by this test. */
const ELSEWHERE: NameSides = { prepare: () => {}, leave: () => {}, block: false };

let egress: Egress;
let names: Names;
let prober: Prober;
let store: RecordStore;
let recording: Recording;
let recorder: Recorder;
let known: ConnectionNames;
const path = join(mkdtempSync(join(tmpdir(), 'bouheki-test-')), 'state', 'record.duckdb');

before(async () => {
  egress = Egress.load();
  names = Names.load(cgroupRoot(), egress.known);
  store = await openRecorder(path);
  recording = await startRecording(store, LEARN);
  const processes = new ProcessTable(recording, new ContainerNames([]));
  const credentials = new CredentialTable(recording, new AccountNames());
  recorder = new Recorder(egress, recording, processes, credentials);
  known = recorder.readNames(names, new Resolvers());
  prober = await Prober.start([PROBER]);
});
after(async () => {
  names[Symbol.dispose]();
  egress[Symbol.dispose]();
  await prober[Symbol.asyncDispose]();
});

/**
 * A flow of the prober, to an address of its own in the same block: what it is known by is of this one alone. Without
 * supplementary groups, which the record has not.
 */
function possible(random: Flow, index: number): Flow {
  const { family, value } = random.address;
  const address = { family, value: ((value >> 16n) << 16n) | BigInt(index + 256) };
  const named = random.names
    ?.filter(({ name }) => name !== '')
    .map(({ age, name }) => ({ name, age: age > 0 ? AGE : -600 }));
  const { groups: _groups, script: _script, names: _names, ...rest } = random;
  const at = Date.now() * 1000;
  const own = { at, exe: PROBER, inContainer: false, cgroup: '/', ...(named?.length && { names: named }) };
  return { ...rest, address, ...own };
}

/** As the answers would have made it known, to verdicts and to the record. */
function makeKnown(
  { names: tables }: CompiledPolicy,
  { address, names: named = [] }: Flow,
  now: number,
): void {
  known.know(named.map(({ age, name }) => ({ address, name, end: now - age })));
  const slots = new Map<number, NameSlot>();
  for (const { age, name } of named) {
    const found = nameClass(tables, name);
    const end = Math.max(now - age, slots.get(found)?.end ?? 0);
    if (found !== 0) slots.set(found, { class: found, end });
  }
  if (slots.size === 0) return;
  const side = Number(egress.generation & 1n);
  egress.known.set(knownKey({ side, namespace: 0, address }), knownValue([...slots.values()], 1));
}

function putInForce(policy: Policy): CompiledPolicy {
  for (const key of egress.known.keys()) egress.known.delete(key);
  const compiled = compilePolicy(
    policy,
    () => undefined,
    [],
    (_, name) => WORLD.idsOfAccounts.get(name),
  );
  const { target } = policy;
  applyPolicy(egress, compiled, { mode: 'block', target, record: true, cgroups: [], names: ELSEWHERE });
  return compiled;
}

/** A flow that was judged, and by what. */
interface Judged {
  policy: Policy;
  flow: Flow;
  denied: boolean;
}
const judged = new Map<string, Judged>();

/** Of so many things among 300 policies: how many there are to be among these, at least. */
const among = (count: number): number => Math.floor((count * POLICIES) / 300);

test('the kernel and the reference agree by names', { timeout: 800_000 }, async (context) => {
  // Cgroups and modes by subject are other tests' subjects: nothing tells this kernel side which cgroups there are, and
  // what is only noted here goes through. Of containers alone nothing here would be judged.
  const policies = fc.sample(
    writtenPolicy(NAMING).filter(
      ({ policy: { boxes, modes, target } }) =>
        target === 'host' && modes === undefined && boxes.every(({ from }) => from.cgroup === undefined),
    ),
    { numRuns: POLICIES, seed: SEED },
  );
  const flows = fc.sample(flow(NAMING), { numRuns: POLICIES * FLOWS_EACH, seed: SEED }).map(possible);
  const mismatches: string[] = [];
  const found = { judged: 0, denied: 0, named: 0, missed: 0 };
  while (Number(bootTime()) / 1e9 < 2 * AGE) await sleep(1000);
  for (const [index, { policy, text }] of policies.entries()) {
    const compiled = putInForce(policy);
    const own = flows.slice(index * FLOWS_EACH, (index + 1) * FLOWS_EACH);
    const now = Math.floor(Number(bootTime()) / 1e9);
    for (const each of own) makeKnown(compiled, each, now);
    const verdicts = await prober.judge(own.map((each) => ({ flow: each, cgroup: '/sys/fs/cgroup' })));
    recorder.drain();
    for (const [at, denied] of verdicts.entries()) {
      const each = own[at]!;
      const { action, box } = evaluate(policy, each);
      judged.set(formatAddress(each.address), { policy, flow: each, denied: denied! });
      found.judged += 1;
      if (action === 'deny') found.denied += 1;
      if (box !== undefined && policy.boxes[box]!.to.names) found.named += 1;
      const { names: _names, ...nameless } = each;
      if (each.names && evaluate(policy, nameless).action !== action) found.missed += 1;
      if ((action === 'deny') !== denied)
        mismatches.push(
          `the kernel ${denied ? 'denies' : 'allows'} ${formatAddress(each.address)} ${JSON.stringify(each.names)} under ${text}`,
        );
    }
  }
  context.diagnostic(JSON.stringify({ ...found, mismatches: mismatches.length }));
  assert.deepEqual(mismatches.slice(0, 5), [], `${mismatches.length} of ${found.judged} differ`);
  assert(found.judged >= among(10_000), `only ${found.judged} were judged`);
  assert(found.named >= among(75) && found.missed >= among(35), 'names decide');
});

function namesOf({ names: named = [] }: Flow): string[] {
  return [...new Set(named.map(({ name }) => name))].sort();
}

test('a replay of what was recorded says what the kernel said', { timeout: 800_000 }, async (context) => {
  recorder.flush();
  const lost = Object.entries(recording.counters.lost).filter(([, count]) => count > 0);
  assert.deepEqual(lost, []);
  await recording.end('complete');
  await store.stopServing();
  store.close();
  const reader = await openReader(path);
  const observations = await reader.observations({ byNames: true });
  reader.close();
  const accounts = accountTable(NAMING);
  const evaluators = new Map<Policy, ReturnType<typeof compileEvaluator>>();
  const mismatches: string[] = [];
  const found = { replayed: 0, named: 0, stricter: 0 };
  for (const observation of observations) {
    const replayed = flowOf(observation, accounts);
    const text = formatAddress(replayed.address);
    const { denied, flow: real, policy } = judged.get(text)!;
    judged.delete(text);
    const judge = evaluators.get(policy) ?? compileEvaluator(policy);
    evaluators.set(policy, judge);
    found.replayed += 1;
    if (replayed.names) found.named += 1;
    assert.deepEqual(namesOf(replayed), namesOf(real), text);
    const { action } = judge(replayed);
    if (denied !== (observation.verdict === 'deny'))
      mismatches.push(`${text}: the record has another verdict`);
    if ((action === 'deny') === denied) continue;
    // The record has the age of one name: of the others it is taken for an hour, which can only deny more.
    const ofAge = { ...replayed, ...(real.names && { names: real.names }) };
    if (action === 'deny' && (judge(ofAge).action === 'deny') === denied) found.stricter += 1;
    else mismatches.push(`${text} ${JSON.stringify(replayed.names)}: ${action} when replayed`);
  }
  context.diagnostic(JSON.stringify({ ...found, mismatches: mismatches.length, missing: judged.size }));
  assert.deepEqual(mismatches.slice(0, 5), [], `${mismatches.length} of ${found.replayed} differ`);
  assert(found.replayed >= among(10_000), `only ${found.replayed} were replayed`);
  assert(found.named >= among(1000), 'with names');
  assert.equal(judged.size, 0, 'each was recorded');
});
