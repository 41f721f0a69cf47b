/** The kernel side and policy/meaning/evaluate.ts give the same verdict where the names of a destination decide. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootTime } from '../../bpf/clock.ts';
import { Egress } from '../../bpf/egress.ts';
import { applyPolicy, type NameSides } from '../../enforcer/apply.ts';
import { compilePolicy, type CompiledPolicy } from '../../enforcer/compile.ts';
import { knownKey, knownValue, type NameSlot } from '../../enforcer/name/known-address.ts';
import { nameClass } from '../../enforcer/name/name-table.ts';
import { evaluate } from '../../policy/meaning/evaluate.ts';
import type { Flow, Policy } from '../../policy/meaning/policy.ts';
import { formatAddress } from '../../policy/value/address.ts';
import fc from '../arbitrary/fast-check.ts';
import { flow } from '../arbitrary/flow.ts';
import { writtenPolicy } from '../arbitrary/policy.ts';
import { NAMING, WORLD } from '../arbitrary/world.ts';
import { Prober } from './differential/prober.ts';

const POLICIES = 300;
const FLOWS_EACH = 40;
const SEED = 20_221_020;
const PROBER = join(import.meta.dirname, 'differential/prober');
/** Seconds after the end of a TTL, for those that are over: not older than a guest that has just booted. */
const AGE = 30;

/** The names are put into the map by this test. */
const ELSEWHERE: NameSides = { prepare: () => {}, leave: () => {}, block: false };

let egress: Egress;
let prober: Prober;

before(async () => {
  egress = Egress.load();
  prober = await Prober.start([PROBER]);
});
after(async () => {
  egress[Symbol.dispose]();
  await prober[Symbol.asyncDispose]();
});

/** A flow of the prober, to an address of its own in the same block: what it is known by is of this one alone. */
function possible(random: Flow, index: number): Flow {
  const { family, value } = random.address;
  const address = { family, value: ((value >> 16n) << 16n) | BigInt(index + 256) };
  const names = random.names?.map(({ age, name }) => ({ name, age: age > 0 ? AGE : -600 }));
  const { script: _script, ...rest } = random;
  return { ...rest, address, exe: PROBER, inContainer: false, cgroup: '/', ...(names && { names }) };
}

/** As the answers would have made it known. */
function makeKnown({ names: tables }: CompiledPolicy, { address, names = [] }: Flow, now: number): void {
  const slots = new Map<number, NameSlot>();
  for (const { age, name } of names) {
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
  applyPolicy(egress, compiled, { mode: 'block', target, record: false, cgroups: [], names: ELSEWHERE });
  return compiled;
}

test('the kernel and the reference agree by names', { timeout: 500_000 }, async (context) => {
  // Cgroups are another test's subject: nothing tells this kernel side which there are.
  const policies = fc.sample(
    writtenPolicy(NAMING).filter(({ policy }) => policy.boxes.every(({ from }) => from.cgroup === undefined)),
    { numRuns: POLICIES, seed: SEED },
  );
  const flows = fc.sample(flow(NAMING), { numRuns: POLICIES * FLOWS_EACH, seed: SEED });
  const mismatches: string[] = [];
  const found = { judged: 0, denied: 0, named: 0, missed: 0 };
  while (Number(bootTime()) / 1e9 < 2 * AGE) await sleep(1000);
  for (const [index, { policy, text }] of policies.entries()) {
    const compiled = putInForce(policy);
    const own = flows.slice(index * FLOWS_EACH, (index + 1) * FLOWS_EACH).map(possible);
    const now = Math.floor(Number(bootTime()) / 1e9);
    for (const each of own) makeKnown(compiled, each, now);
    const verdicts = await prober.judge(own.map((each) => ({ flow: each, cgroup: '/sys/fs/cgroup' })));
    for (const [at, denied] of verdicts.entries()) {
      const each = own[at]!;
      const { action, box } = evaluate(policy, each);
      found.judged += 1;
      if (action === 'deny') found.denied += 1;
      if (box !== undefined && policy.boxes[box]!.to.names) found.named += 1;
      const { names, ...nameless } = each;
      if (names && evaluate(policy, nameless).action !== action) found.missed += 1;
      if ((action === 'deny') !== denied)
        mismatches.push(
          `the kernel ${denied ? 'denies' : 'allows'} ${formatAddress(each.address)} ${JSON.stringify(names)} under ${text}`,
        );
    }
  }
  context.diagnostic(JSON.stringify(found));
  assert.deepEqual(mismatches.slice(0, 5), [], `${mismatches.length} of ${found.judged} differ`);
  assert(found.judged >= 10_000, `only ${found.judged} were judged`);
  assert(found.named >= 100 && found.missed >= 50, 'names decide');
});
