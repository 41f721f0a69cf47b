/** The kernel side and policy/evaluate.ts give the same verdict on random policies, connections and openings of sockets. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, linkSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { Egress } from '../../bpf/egress.ts';
import { identifyExecutable } from '../../bpf/executable.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { compilePolicy } from '../../enforcer/compile.ts';
import { formatAddress } from '../../policy/address.ts';
import { evaluate } from '../../policy/evaluate.ts';
import type { Flow, Policy } from '../../policy/policy.ts';
import { flow, opening } from '../arbitrary/flow.ts';
import { SAME_FILE, withAllNames } from '../arbitrary/hard-link.ts';
import { SOCKET_KINDS, type SocketKind } from '../../policy/socket-kind.ts';
import { writtenPolicy } from '../arbitrary/policy.ts';
import { WORLD, type Place, type World } from '../arbitrary/world.ts';
import { Prober } from './differential/prober.ts';

const POLICIES = 130;
const FLOWS_EACH = 110;
const SEED = 20_221_020;
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

/** What the kernel can really be: no process has the id 2^32 - 1, and paths are those of files made here. */
const REAL: World = {
  ...WORLD,
  scripts: [],
  ids: [0, 1, 1000, 4_294_967_294],
  places: PLACES,
  cgroupPatterns: ['/', '/system.slice/*', '/machine.slice/libpod-*', '/*'],
};

const files = mkdtempSync('/tmp/executables-');
const probers = new Map<string, Prober>();
let egress: Egress;

/** Where the executable that policies call `path` really is. */
const real = (path: string) => files + path;

/** In a container no executable of the policy is run: a path in a rule means a file of the host. */
const IN_CONTAINER = '/container/prober';

before(async () => {
  for (const { cgroup } of PLACES) mkdirSync(CGROUPS + cgroup, { recursive: true });
  spawnSync('modprobe', ['-q', '-a', 'sctp', 'vsock']);
  writeFileSync('/proc/sys/net/ipv4/ping_group_range', '0 2147483647');
  for (const path of [...WORLD.exes, IN_CONTAINER]) {
    mkdirSync(dirname(real(path)), { recursive: true });
    if (path === SAME_FILE[1]) linkSync(real(SAME_FILE[0]!), real(path));
    else copyFileSync(PROBER, real(path));
  }
  egress = Egress.load();
  for (const path of WORLD.exes) probers.set(path, await Prober.start([real(path)]));
  probers.set(IN_CONTAINER, await Prober.start(['unshare', '--mount', real(IN_CONTAINER)]));
});

after(async () => {
  egress[Symbol.dispose]();
  for (const prober of probers.values()) await prober[Symbol.asyncDispose]();
});

function putInForce(policy: Policy): void {
  const compiled = compilePolicy(policy, (path) => identifyExecutable(real(path)));
  const cgroups = PLACES.map((place) => ({
    id: statSync(CGROUPS + place.cgroup, { bigint: true }).ino,
    boxes: compiled.subjects.cgroup({ ...place, path: place.cgroup }),
  }));
  applyPolicy(egress, compiled, { mode: 'block', target: policy.target, record: false, cgroups });
}

/** A flow that a prober can be: on the host always with a known executable, in a container never. */
function possible(random: Flow): Flow {
  const { exe, ...rest } = random;
  return random.inContainer ? rest : { ...rest, exe: exe ?? WORLD.exes[0]! };
}

/** An opening whose port says in which way. */
function wayToOpen(world: World): fc.Arbitrary<Flow> {
  return fc
    .tuple(opening(world), fc.nat({ max: 3 }))
    .map(([flow, way]) => Object.assign(flow, { port: way }));
}

function describeFlow({ address, ...rest }: Flow): string {
  return JSON.stringify({ ...rest, address: formatAddress(address) });
}

test('the kernel and the reference agree on every connection', { timeout: 500_000 }, async (context) => {
  const policies = fc.sample(writtenPolicy(REAL), { numRuns: POLICIES, seed: SEED });
  const either = fc.oneof({ weight: 4, arbitrary: flow(REAL) }, { weight: 1, arbitrary: wayToOpen(REAL) });
  const flows = fc.sample(either, { numRuns: POLICIES * FLOWS_EACH, seed: SEED }).map(possible);
  const mismatches: string[] = [];
  let judged = 0;
  const openings = new Map<SocketKind, number>();
  let denials = 0;
  let absent = 0;
  for (const [index, { policy, text }] of policies.entries()) {
    putInForce(policy);
    const reference = withAllNames(policy);
    const own = flows.slice(index * FLOWS_EACH, (index + 1) * FLOWS_EACH);
    for (const [path, prober] of probers) {
      const its = own.filter((candidate) => (candidate.exe ?? IN_CONTAINER) === path);
      const verdicts = await prober.judge(
        its.map((each) => ({ flow: each, cgroup: CGROUPS + each.cgroup! })),
      );
      for (const [at, denied] of verdicts.entries()) {
        if (denied === undefined) {
          absent += 1;
          continue;
        }
        judged += 1;
        const { socket } = its[at]!;
        if (socket !== undefined) openings.set(socket, (openings.get(socket) ?? 0) + 1);
        const expected = evaluate(reference, its[at]!).action === 'deny';
        if (expected) denials += 1;
        if (expected !== denied) {
          mismatches.push(
            `the kernel ${denied ? 'denies' : 'allows'} ${describeFlow(its[at]!)} under ${text}`,
          );
        }
      }
    }
  }
  const opened = [...openings.values()].reduce((sum, count) => sum + count, 0);
  context.diagnostic(
    `${judged} judged, ${denials} of them denied; ${absent} of protocols that this kernel lacks`,
  );
  const kinds = [...openings].map(([kind, count]) => `${count} ${kind}`).sort();
  context.diagnostic(`${opened} of them openings: ${kinds.join(', ')}`);
  assert.deepEqual(mismatches.slice(0, 5), [], `${mismatches.length} of ${judged} differ`);
  assert(judged >= 10_000, `only ${judged} were judged`);
  assert(opened >= 1000 && openings.size === SOCKET_KINDS.length, 'openings of each kind are common');
  assert(denials > judged / 10 && denials < (judged * 9) / 10, 'both verdicts are common');
});
