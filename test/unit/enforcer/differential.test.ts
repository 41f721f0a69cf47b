import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../arbitrary/fast-check.ts';
import { SideFlag, SocketKind } from '../../../bpf/wire.ts';
import { applyPolicy } from '../../../enforcer/apply.ts';
import { compilePolicy, type CompiledPolicy } from '../../../enforcer/compile.ts';
import { evaluate } from '../../../policy/meaning/evaluate.ts';
import { forHost } from '../../../policy/meaning/host.ts';
import { modeOf } from '../../../policy/meaning/mode.ts';
import type { Flow, Mode, Policy, Verdict } from '../../../policy/meaning/policy.ts';
import { matchesPath } from '../../../policy/value/name.ts';
import { flow, HOSTS, intent, opening } from '../../arbitrary/flow.ts';
import { withAllNames } from '../../arbitrary/hard-link.ts';
import { type WrittenPolicy, writtenPolicy } from '../../arbitrary/policy.ts';
import { NAMING, WORLD, type World } from '../../arbitrary/world.ts';
import { type Caller, decide, decideSocket, isMonitored } from './kernel-judge.ts';
import { fileOf, KernelTables } from './kernel-tables.ts';

const POLICIES = 1000;
const FLOWS_EACH = 110;

/** Two of the world's paths are hard links of one file. */
const filesOf = (device: number) =>
  new Map(WORLD.exes.map((path) => [path, fileOf(device, path.includes('perl') ? 7n : BigInt(path.length))]));
const FILES = filesOf(0x0080_0001);

/** The host was booted at the beginning of the epoch. */
const CLOCK = { now: 0n, boot: 0 };

/** What each place has of its own; one without a name is not known to the tables. */
const CONTAINERS = WORLD.places.map((place, index) => ({
  place: { ...place, path: place.cgroup },
  mountNamespace: 1000 + index,
  files: filesOf(0x0090_0000 + index),
}));
const KNOWN = CONTAINERS.filter(({ place }) => place.container !== undefined).map(
  ({ files, mountNamespace, place }) => ({
    place,
    mountNamespace,
    files: new Map([...files].map(([path, file]) => [path, [file]])),
  }),
);

function callerOf(flow: Flow): Caller {
  const comm = Buffer.alloc(16);
  Buffer.from(flow.command).copy(comm, 0, 0, 15);
  const place = WORLD.places.findIndex((candidate) => candidate.cgroup === flow.cgroup);
  const files = flow.inContainer ? CONTAINERS[place]!.files : FILES;
  return {
    comm,
    uid: flow.uid,
    euid: flow.euid,
    gid: flow.gid,
    egid: flow.egid,
    // The reference knows everything: an executable without a name is one that no policy names.
    executable: flow.exe === undefined ? fileOf(1, 1n) : files.get(flow.exe)!,
    ...(flow.inContainer && { inContainer: true, mountNamespace: CONTAINERS[place]!.mountNamespace }),
    ...(flow.fsuid !== undefined && { fsuid: flow.fsuid }),
    ...(flow.fsgid !== undefined && { fsgid: flow.fsgid }),
    ...(flow.groups && { groups: flow.groups }),
    ...(flow.script !== undefined && { script: flow.script }),
    cgroups: [BigInt(100 + place), 1n],
    now: BigInt(flow.at!) * 1000n,
  };
}

/** What flow_set_ipv4() and flow_set_ipv6() make of "this host". */
function addressOf({ address: { family, value } }: Flow): bigint {
  if (value !== 0n) return value;
  return family === 4 ? 0x7f00_0001n : 1n;
}

function decided(kernel: KernelTables, flow: Flow): number | undefined {
  const caller = callerOf(flow);
  if (flow.socket) return decideSocket(kernel, caller, SocketKind[flow.socket]);
  const { family } = flow.address;
  return decide(kernel, caller, {
    family,
    address: addressOf(flow),
    port: flow.port,
    protocol: flow.protocol,
    ...(flow.intent && { intent: true }),
    ...(flow.names && { names: flow.names }),
  });
}

function compiledHere(policy: Policy): CompiledPolicy {
  return compilePolicy(
    policy,
    (path) => WORLD.exes.filter((each) => matchesPath(path, each)).map((each) => FILES.get(each)!),
    KNOWN,
    (_, name) => WORLD.idsOfAccounts.get(name),
    (pattern) => WORLD.scripts.filter((each) => matchesPath(pattern, each)),
  );
}

/** What is_denied() makes of a denial. */
function becomesOf(kernel: KernelTables, { modes }: Policy, flow: Flow): Mode {
  if ((kernel.flags[kernel.side]! & SideFlag.block) === 0) return 'monitor';
  return modes && isMonitored(kernel, callerOf(flow)) ? 'monitor' : 'block';
}

/** The assertion names policy and flow; all 110 flows beside them would hide them. */
function reporter<T>({ failed, seed, counterexamplePath, errorInstance }: fc.RunDetails<T>): void {
  if (failed) throw new Error(`seed ${seed}, path ${counterexamplePath}`, { cause: errorInstance });
}

/** What was met on the way, so that agreement says something. */
function nothingFound() {
  return {
    pairs: 0,
    allow: 0,
    deny: 0,
    unmatched: 0,
    version1: 0,
    named: 0,
    sockets: { allow: 0, deny: 0 },
    intents: { allow: 0, deny: 0 },
    modes: { block: 0, monitor: 0 },
    ends: { decided: 0, over: 0 },
  };
}

/** Counts what is compared. */
function note(
  found: ReturnType<typeof nothingFound>,
  { policy, reference }: { policy: Policy; reference: Policy },
  flow: Flow,
  expected: Verdict,
): void {
  found.pairs += 1;
  if (expected.box !== undefined && policy.boxes[expected.box]!.until) found.ends.decided += 1;
  else if (expected.box !== evaluate(reference, { ...flow, at: -1 }).box) found.ends.over += 1;
  if (expected.box !== undefined && policy.boxes[expected.box]!.to.names) found.named += 1;
  (flow.socket ? found.sockets : flow.intent ? found.intents : found)[expected.action] += 1;
}

/** Compares random policies of a world, all or those `wanted`, and its flows. */
function compare(
  world: World,
  policies: number,
  wanted: (policy: Policy) => boolean = () => true,
): ReturnType<typeof nothingFound> {
  const kernel = new KernelTables();
  const found = nothingFound();
  const each = ({ text, policy: written }: WrittenPolicy, flows: Flow[]) => {
    // The last of all is no host: one that has not joined a fleet.
    const policy = forHost(written, HOSTS[text.length % (HOSTS.length + 1)]);
    const compiled = compiledHere(policy);
    const cgroups = WORLD.places.map((place, index) => ({
      id: BigInt(100 + index),
      boxes: compiled.subjects.cgroup({ ...place, path: place.cgroup }),
    }));
    const { names } = kernel;
    const { mode, modes, target } = policy;
    applyPolicy(kernel.egress, compiled, { mode, modes, target, record: true, cgroups, names, clock: CLOCK });
    const reference = withAllNames(policy);
    if (policy.version === 1) found.version1 += 1;
    for (const flow of flows) {
      const expected = evaluate(reference, flow);
      note(found, { policy, reference }, flow, expected);
      if (policy.target === 'container' && !flow.inContainer) continue;
      const box = decided(kernel, flow);
      if (box === undefined) found.unmatched += 1;
      const denied = box === undefined || box < compiled.denyBoxes;
      const becomes = denied ? becomesOf(kernel, policy, flow) : 'allow';
      if (policy.modes && becomes !== 'allow') found.modes[becomes] += 1;
      assert.deepEqual(
        { becomes, box },
        { becomes: expected.action === 'allow' ? 'allow' : modeOf(policy, expected), box: expected.box },
        `${text}\n${JSON.stringify(flow, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}`,
      );
    }
  };
  const either = fc.oneof(
    { weight: 7, arbitrary: flow(world) },
    { weight: 1, arbitrary: opening(world) },
    { weight: 1, arbitrary: intent(world) },
  );
  const flows = fc.array(either, { minLength: FLOWS_EACH, maxLength: FLOWS_EACH });
  const written = writtenPolicy(world).filter(({ policy }) => wanted(policy));
  fc.assert(fc.property(written, fc.noShrink(flows), each), { numRuns: policies, reporter });
  return found;
}

test(`the compiled tables give the verdicts of the reference for ${POLICIES * FLOWS_EACH} random pairs`, () => {
  const found = compare(WORLD, POLICIES);
  // Agreement says little where nothing meets.
  assert.ok(found.pairs >= 100_000, JSON.stringify(found));
  for (const count of [found.allow, found.deny, found.unmatched])
    assert.ok(count > 10_000, JSON.stringify(found));
  for (const count of [...Object.values(found.sockets), ...Object.values(found.intents)])
    assert.ok(count > 1000, JSON.stringify(found));
  assert.ok(found.version1 > 100, JSON.stringify(found));
  for (const count of Object.values(found.modes)) assert.ok(count > 1000, JSON.stringify(found));
  for (const count of Object.values(found.ends)) assert.ok(count > 200, JSON.stringify(found));
});

test('they do where names decide', () => {
  const found = compare(NAMING, POLICIES / 5, ({ boxes }) => boxes.some(({ to }) => to.names));
  assert.ok(found.named > 100, JSON.stringify(found));
});
