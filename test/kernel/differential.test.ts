/** The kernel side and policy/meaning/evaluate.ts give the same verdict on random policies, connections and openings of sockets. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, linkSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from '../arbitrary/fast-check.ts';
import { bootTime } from '../../bpf/clock.ts';
import type { Egress } from '../../bpf/egress.ts';
import { namespaceOf } from '../../host/namespace.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { compilePolicy } from '../../enforcer/compile.ts';
import type { KnownContainer } from '../../enforcer/executable-entry.ts';
import { formatAddress } from '../../policy/value/address.ts';
import { evaluate } from '../../policy/meaning/evaluate.ts';
import { modeOf } from '../../policy/meaning/mode.ts';
import type { Flow, From, Policy, Verdict } from '../../policy/meaning/policy.ts';
import { flow, opening } from '../arbitrary/flow.ts';
import { SAME_FILE, withAllNames } from '../arbitrary/hard-link.ts';
import { matchesPath } from '../../policy/value/name.ts';
import { SOCKET_KINDS, type SocketKind } from '../../policy/value/socket-kind.ts';
import { writtenPolicy } from '../arbitrary/policy.ts';
import { MOMENTS, NAMELESS, WORLD, type Place, type World } from '../arbitrary/world.ts';
import { leftOut, loadEnforcing } from './enforcing.ts';
import { Prober } from './differential/prober.ts';

/** Long with BOUHEKI_LONG. */
const POLICIES = process.env['BOUHEKI_LONG'] === undefined ? 40 : 130;
const FLOWS_EACH = 110;
const SEED = 20_261_209;
const CGROUPS = '/sys/fs/cgroup';
const PROBER = join(import.meta.dirname, 'differential/prober');

const containerId = (digit: string) => digit.repeat(64);

const PLACES: Place[] = [
  { cgroup: '/', inContainer: false },
  { cgroup: '/system.slice/ssh.service', unit: 'ssh.service', inContainer: false },
  { cgroup: '/system.slice/cron.service', unit: 'cron.service', inContainer: false },
  {
    cgroup: `/machine.slice/libpod-${containerId('a')}`,
    container: 'web-1',
    image: 'docker.io/nginx:1',
    inContainer: true,
  },
  {
    cgroup: `/machine.slice/docker-${containerId('b')}`,
    container: 'web-2',
    image: 'docker.io/redis:7',
    inContainer: true,
  },
  { cgroup: `/machine.slice/libpod-${containerId('c')}`, inContainer: true },
];

/**
 * What the kernel can really be: no process has the id 2^32 - 1, paths are those of files made here, and rules of other hosts
 * are gone before it is given any.
 */
const REAL: World = {
  ...NAMELESS,
  ids: [0, 1, 1000, 4_294_967_294],
  places: PLACES,
  hosts: [],
  cgroupPatterns: ['/', '/system.slice/*', '/machine.slice/libpod-*', '/*'],
};

const files = mkdtempSync('/tmp/executables-');
/** Programs that are interpreters by their names: these can run scripts. */
const INTERPRETERS = new Set(WORLD.exes.filter((path) => /python|perl/.test(path)));
let egress: Egress;
/** By what they are: see `whoIs`. */
const probers = new Map<string, Prober>();
/** Whose mount namespaces the containers have, by place. */
const holders = new Map<Place, ChildProcess>();

/** Where the executable that policies call `path` really is: on the host, or in a container. */
const real = (path: string, place?: Place) => `${files}/${place ? PLACES.indexOf(place) : 'host'}${path}`;

/** The containers, as the daemon knows those with a name. */
const containers = PLACES.filter(({ inContainer }) => inContainer);

/** Which prober a flow is of: its place, if it is a container, its executable and its script. */
function whoIs({
  cgroup,
  exe,
  inContainer,
  script,
}: Pick<Flow, 'cgroup' | 'exe' | 'inContainer' | 'script'>): string {
  return JSON.stringify([inContainer ? cgroup : 'host', exe, script]);
}

before(async () => {
  for (const { cgroup } of PLACES) mkdirSync(CGROUPS + cgroup, { recursive: true });
  spawnSync('modprobe', ['-q', '-a', 'sctp', 'vsock']);
  writeFileSync('/proc/sys/net/ipv4/ping_group_range', '0 2147483647');
  for (const place of [undefined, ...containers]) {
    for (const exe of WORLD.exes) {
      mkdirSync(dirname(real(exe, place)), { recursive: true });
      if (exe === SAME_FILE[1]) linkSync(real(SAME_FILE[0]!, place), real(exe, place));
      else copyFileSync(PROBER, real(exe, place));
    }
  }
  for (const place of containers) holders.set(place, await holdMounts());
  egress = loadEnforcing();
  for (const place of [undefined, ...containers]) {
    for (const exe of WORLD.exes) {
      for (const script of INTERPRETERS.has(exe) ? [undefined, ...WORLD.scripts] : [undefined]) {
        const command = [real(exe, place), ...(script === undefined ? [] : [script])];
        const there = place ? ['nsenter', `--mount=/proc/${holders.get(place)!.pid}/ns/mnt`] : [];
        const { cgroup, inContainer } = place ?? { cgroup: '/', inContainer: false };
        const who = whoIs({ cgroup, exe, inContainer, ...(script !== undefined && { script }) });
        probers.set(who, await Prober.start([...there, ...command]));
      }
    }
  }
});

after(async () => {
  egress[Symbol.dispose]();
  for (const prober of probers.values()) await prober[Symbol.asyncDispose]();
  for (const holder of holders.values()) holder.kill();
});

/** A process with mounts of its own, once it has them. */
async function holdMounts(): Promise<ChildProcess> {
  const holder = spawn('unshare', ['--mount', 'sh', '-c', 'echo ready; exec sleep infinity'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout!, 'data');
  return holder;
}

function knownContainers(): KnownContainer[] {
  return containers
    .filter(({ container }) => container !== undefined)
    .map((place) => ({
      place: { ...place, path: place.cgroup },
      mountNamespace: namespaceOf(holders.get(place)!.pid!, 'mnt'),
      files: new Map(WORLD.exes.map((path) => [path, [egress.identify(real(path, place))!]])),
    }));
}

/** `at`: when connections are made, by the clock of the host, microseconds since the epoch. */
function putInForce(policy: Policy, at: number): void {
  const compiled = compilePolicy(
    policy,
    (path) =>
      WORLD.exes.filter((each) => matchesPath(path, each)).map((each) => egress.identify(real(each))!),
    knownContainers(),
    (_, name) => WORLD.idsOfAccounts.get(name),
    (pattern) => WORLD.scripts.filter((each) => matchesPath(pattern, each)),
  );
  const cgroups = PLACES.map((place) => ({
    id: statSync(CGROUPS + place.cgroup, { bigint: true }).ino,
    boxes: compiled.subjects.cgroup({ ...place, path: place.cgroup }),
  }));
  const { mode, modes, target } = policy;
  const now = bootTime();
  const clock = { now, boot: at - Number(now / 1000n) };
  applyPolicy(egress, compiled, { mode, modes, target, record: false, cgroups, clock });
}

/** Protocols by which connect() sends something. By the others it is an intent. */
const CONNECTING: ReadonlySet<number> = new Set([6, 33, 132]);

/** A flow that a prober can be: always with a known executable, and with a script where that is an interpreter. */
function possible({ script, ...random }: Flow): Flow {
  const exe = random.exe ?? WORLD.exes[0]!;
  const runs = script !== undefined && INTERPRETERS.has(exe);
  const intent = random.socket === undefined && !CONNECTING.has(random.protocol);
  return { ...random, exe, ...(runs && { script }), ...(intent && { intent }) };
}

/** An opening whose port says in which way. */
function wayToOpen(world: World): fc.Arbitrary<Flow> {
  return fc
    .tuple(opening(world), fc.nat({ max: 3 }))
    .map(([flow, way]) => Object.assign(flow, { port: way }));
}

/** How often what the kernel may have left out is asked for again. */
const AGAIN = 5;

/**
 * Whether each flow is denied; undefined where this kernel lacks its protocol. What the second judge is not shown goes
 * unjudged where the kernel leaves out the first: another verdict than `expected` is asked for again if it has.
 */
async function judgeBy(
  prober: Prober,
  flows: readonly Flow[],
  expected: (flow: Flow) => boolean,
): Promise<(boolean | undefined)[]> {
  let before = leftOut(egress);
  const ask = async (list: readonly Flow[]) =>
    await prober.judge(list.map((each) => ({ flow: each, cgroup: CGROUPS + each.cgroup! })));
  const verdicts = await ask(flows);
  for (let time = 0; time < AGAIN && leftOut(egress) > before; time += 1) {
    const wrong = [...verdicts.keys()].filter(
      (at) => verdicts[at] !== undefined && verdicts[at] !== expected(flows[at]!),
    );
    if (wrong.length === 0) break;
    before = leftOut(egress);
    const again = await ask(wrong.map((at) => flows[at]!));
    for (const [place, at] of wrong.entries()) verdicts[at] = again[place];
  }
  return verdicts;
}

function describeFlow({ address, ...rest }: Flow): string {
  return JSON.stringify({ ...rest, address: formatAddress(address) });
}

function fromOf({ boxes }: Policy, box: number | undefined): From {
  return box === undefined ? {} : boxes[box]!.from;
}

/** The flows of a policy, all made at one moment. */
function flowsOf(flows: readonly Flow[], policy: number, at: number): Flow[] {
  const own = flows.slice(policy * FLOWS_EACH, (policy + 1) * FLOWS_EACH);
  return own.map((each) => Object.assign(each, { at }));
}

/**
 * Counts by what rules decide; `ended`: what would be another verdict if no rule had ended, `reaching`: intents that
 * would be if they sent something.
 */
function noteRule(
  found: { byExe: number; byScript: number; ending: number; ended: number; reaching: number },
  policy: Policy,
  flow: Flow,
  { action, box }: Verdict,
): void {
  const from = fromOf(policy, box);
  if (flow.inContainer && from.exe) found.byExe += 1;
  if (from.script) found.byScript += 1;
  if (box !== undefined && policy.boxes[box]!.until !== undefined) found.ending += 1;
  if (evaluate(policy, { ...flow, at: 0 }).action !== action) found.ended += 1;
  const { intent, ...sending } = flow;
  if (intent && evaluate(policy, sending).action !== action) found.reaching += 1;
}

function isBlocked(policy: Policy, flow: Flow): boolean {
  const verdict = evaluate(policy, flow);
  return verdict.action === 'deny' && modeOf(policy, verdict) === 'block';
}

/** Of so many things among 130 policies: how many there are to be among these, at least. */
const among = (count: number): number => Math.floor((count * POLICIES) / 130);

test('the kernel and the reference agree on every connection', { timeout: 500_000 }, async (context) => {
  const policies = fc.sample(writtenPolicy(REAL), { numRuns: POLICIES, seed: SEED });
  const either = fc.oneof({ weight: 4, arbitrary: flow(REAL) }, { weight: 1, arbitrary: wayToOpen(REAL) });
  const flows = fc.sample(either, { numRuns: POLICIES * FLOWS_EACH, seed: SEED }).map(possible);
  const mismatches: string[] = [];
  let judged = 0;
  const openings = new Map<SocketKind, number>();
  let denials = 0;
  let absent = 0;
  const rules = { byExe: 0, byScript: 0, ending: 0, ended: 0, reaching: 0 };
  /** Policies with mode entries, and what these let through. */
  let mixed = 0;
  let monitored = 0;
  for (const [index, { policy: written, text }] of policies.entries()) {
    // Under monitor for all there is nothing to see; entries that say it hold beside it.
    const policy = { ...written, mode: 'block' as const };
    const at = MOMENTS[index % MOMENTS.length]!;
    putInForce(policy, at);
    const reference = withAllNames(policy);
    if (policy.modes) mixed += 1;
    const own = flowsOf(flows, index, at);
    const judging = [...probers].map(async ([who, prober]) => {
      const its = own.filter((candidate) => whoIs(candidate) === who);
      const verdicts = await judgeBy(prober, its, (each) => isBlocked(reference, each));
      for (const [at, denied] of verdicts.entries()) {
        if (denied === undefined) {
          absent += 1;
          continue;
        }
        judged += 1;
        const each = its[at]!;
        const { socket } = each;
        if (socket) openings.set(socket, (openings.get(socket) ?? 0) + 1);
        const verdict = evaluate(reference, each);
        const { action } = verdict;
        const expected = isBlocked(reference, each);
        if (expected) denials += 1;
        else if (action === 'deny') monitored += 1;
        noteRule(rules, reference, each, verdict);
        if (expected !== denied) {
          mismatches.push(`the kernel ${denied ? 'denies' : 'allows'} ${describeFlow(each)} under ${text}`);
        }
      }
    });
    await Promise.all(judging);
  }
  const opened = [...openings.values()].reduce((sum, count) => sum + count, 0);
  context.diagnostic(
    `${judged} judged, ${denials} of them denied; ${absent} of protocols that this kernel lacks`,
  );
  context.diagnostic(`${mixed} policies with mode entries, which let ${monitored} denials through`);
  context.diagnostic(`${rules.reaching} of them intents by whose port and protocol nothing may be sent`);
  context.diagnostic(
    `rules decided over ${rules.byExe} by an executable in a container, over ${rules.byScript} by a script`,
  );
  context.diagnostic(
    `${rules.ending} allowed by rules that end, ${rules.ended} denied because some had ended`,
  );
  const kinds = [...openings].map(([kind, count]) => `${count} ${kind}`).sort();
  context.diagnostic(`${opened} of them openings: ${kinds.join(', ')}`);
  assert.deepEqual(mismatches.slice(0, 5), [], `${mismatches.length} of ${judged} differ`);
  assert(judged >= among(10_000), `only ${judged} were judged`);
  assert(monitored >= among(100), 'mode entries that monitor decide');
  assert(
    rules.byExe >= among(10) && rules.byScript >= among(10),
    'rules for executables in containers and for scripts decide',
  );
  assert(rules.ending >= among(30) && rules.ended >= among(30), 'rules that end decide');
  assert(rules.reaching >= among(100), 'intents whose port or protocol is not allowed are common');
  assert(opened >= among(1000) && openings.size === SOCKET_KINDS.length, 'openings of each kind are common');
  assert(denials > judged / 10 && denials < (judged * 9) / 10, 'both verdicts are common');
});
