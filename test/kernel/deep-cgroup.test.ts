/** Rules hold however deep below their cgroup a process runs; and where that can't be known, none is widened. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { Egress } from '../../bpf/egress.ts';
import { Counter, RecordKind } from '../../bpf/wire.ts';
import { Enforcement } from '../../daemon/enforcement.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { compilePolicy } from '../../enforcer/compile.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { ContainerNames } from '../../profiler/identity/container.ts';
import { decodeCgroup } from '../../profiler/event/decode.ts';
import { Client, type Destination } from './client/client.ts';
import { loadEnforcing } from './enforcing.ts';

const ROOT = cgroupRoot();
const LEVELS = 20;
const by = (address: string): Destination => ({ address, port: 9 });
const RULED = by('198.51.100.1');
const DENIED = by('198.51.100.2');
const EVERYBODYS = by('198.51.100.3');

const { policy } = parsePolicy(
  `version: 2
network:
  mode: block
  deny:
    - { from: { cgroup: ["/ruled*"] }, to: [{ cidr: [${DENIED.address}] }] }
  allow:
    - { from: { cgroup: ["/ruled*"] }, to: [{ cidr: [${RULED.address}] }] }
    - { to: [{ cidr: [${DENIED.address}, ${EVERYBODYS.address}] }] }
`,
  'test',
);

/** Makes a line of cgroups and returns the directory of the last. */
function nest(...names: string[]): string {
  const levels = Array.from({ length: LEVELS - names.length }, (_, level) => `level-${level}`);
  const path = `${ROOT}/${[...names, ...levels].join('/')}`;
  mkdirSync(path, { recursive: true });
  return path;
}

/** Which of the destinations a process there reaches. */
async function reached(cgroup: string): Promise<Destination[]> {
  const destinations = [RULED, DENIED, EVERYBODYS];
  const tallies = await new Client({ destinations, rounds: 1, cgroup }).tallies();
  return destinations.filter((_, index) => tallies[index]!.allowed === 1);
}

const lost = (): number => egress.counters()[Counter.lostCgroup]!;

let egress: Egress;
let enforcement: Enforcement;
before(() => {
  egress = loadEnforcing(undefined, { connections: 1 << 20, denials: 1 << 20 });
  enforcement = new Enforcement(egress, new ContainerNames([]), assert.fail);
});
after(() => {
  enforcement[Symbol.dispose]();
  egress[Symbol.dispose]();
});

test('twenty levels below the cgroup of a rule the rule holds, and below another it does not', async () => {
  const below = nest('ruled');
  const elsewhere = nest('free');
  enforcement.apply(policy!);
  assert.deepEqual(await reached(below), [RULED, EVERYBODYS]);
  assert.deepEqual(await reached(elsewhere), [DENIED, EVERYBODYS]);
  assert.equal(lost(), 0);
});

test('so it does in cgroups that were made since, before the daemon has heard of them', async () => {
  const below = nest('ruled', 'since');
  const elsewhere = nest('free', 'since');
  assert.deepEqual(await reached(below), [RULED, EVERYBODYS]);
  assert.deepEqual(await reached(elsewhere), [DENIED, EVERYBODYS]);
  assert.equal(lost(), 0);
});

test('out of reach of every listed cgroup, denials by cgroup hold and permissions by cgroup do not', async () => {
  const compiled = compilePolicy(policy!, () => undefined);
  const cgroups = ['/', '/ruled'].map((path) => ({
    id: statSync(ROOT + path, { bigint: true }).ino,
    boxes: compiled.subjects.cgroup({ path }),
  }));
  applyPolicy(egress, compiled, { mode: 'block', target: 'host', record: false, cgroups });
  assert.deepEqual(await reached(`${ROOT}/ruled/level-0`), [RULED, EVERYBODYS], 'within reach');
  assert.equal(lost(), 0);
  assert.deepEqual(await reached(nest('ruled')), [EVERYBODYS]);
  assert.deepEqual(await reached(nest('free')), [EVERYBODYS]);
  assert(lost() >= 2, 'each is counted');
});

test('upon which the daemon lists what is missing', async () => {
  enforcement.apply(policy!);
  enforcement.findLost(lost());
  assert.deepEqual(await reached(nest('ruled')), [RULED, EVERYBODYS]);
  assert.deepEqual(await reached(nest('free')), [DENIED, EVERYBODYS]);
});

test('the path of a cgroup is whole, or says that it is cut off', () => {
  const paths: string[] = [];
  egress.connections.drain((at) => {
    if (egress.connections.bytes[at] === RecordKind.cgroup)
      paths.push(decodeCgroup(egress.connections, at).path);
  });
  const cut = paths.filter((path) => path.startsWith('/.../'));
  for (const path of paths) if (!cut.includes(path)) assert(existsSync(ROOT + path), path);
  assert(cut.some((path) => path.endsWith('/level-17')) && cut.length < paths.length, paths.join('\n'));
});
