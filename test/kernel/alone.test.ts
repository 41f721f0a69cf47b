/** Where a policy outlives the daemon, nobody lists new cgroups: no rule is widened by that. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Egress } from '../../bpf/egress.ts';
import { Enforcement } from '../../daemon/enforcement.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { ContainerNames } from '../../profiler/identity/container.ts';
import { Client, type Destination } from './client/client.ts';

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
    - { from: { cgroup: ["/ruled*", "/opened"] }, to: [{ cidr: [${RULED.address}] }] }
    - { to: [{ cidr: [${DENIED.address}, ${EVERYBODYS.address}] }] }
`,
  'test',
);

/** Makes a cgroup and returns its directory. */
function made(path: string): string {
  const directory = `${cgroupRoot()}${path}`;
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** Which of the destinations a process there reaches. */
async function reached(cgroup: string): Promise<Destination[]> {
  const destinations = [RULED, DENIED, EVERYBODYS];
  const tallies = await new Client({ destinations, rounds: 1, cgroup }).tallies();
  return destinations.filter((_, index) => tallies[index]!.allowed === 1);
}

let egress: Egress;
let enforcement: Enforcement;
before(() => {
  made('/ruled');
  made('/opened');
  made('/free');
  egress = Egress.load(undefined, { connections: 1 << 20, denials: 1 << 20 });
  enforcement = new Enforcement(egress, new ContainerNames([]), assert.fail);
  enforcement.apply(policy!);
});
after(() => {
  enforcement[Symbol.dispose]();
  egress[Symbol.dispose]();
});

test('while the daemon attends, a cgroup that was made since is judged as the one above it', async () => {
  enforcement.attend(true);
  assert.deepEqual(await reached(made('/free/since')), [DENIED, EVERYBODYS]);
  assert.deepEqual(await reached(made('/opened/since')), [RULED, DENIED, EVERYBODYS]);
});

test('in a cgroup that was made since, denials by cgroup hold and permissions do not', async () => {
  enforcement.attend(true, 0n);
  assert.deepEqual(await reached(made('/free/alone')), [EVERYBODYS]);
  assert.deepEqual(await reached(made('/opened/alone')), [EVERYBODYS]);
});

test('nothing changes in those that were there before', async () => {
  assert.deepEqual(await reached(made('/free')), [DENIED, EVERYBODYS]);
  assert.deepEqual(await reached(made('/opened')), [RULED, DENIED, EVERYBODYS]);
  assert.deepEqual(await reached(made('/ruled')), [RULED, EVERYBODYS]);
});

test('a daemon that stood still and goes on has what was judged meanwhile judged anew', async () => {
  enforcement.attend(true);
  assert.deepEqual(await reached(made('/free/alone')), [DENIED, EVERYBODYS]);
  enforcement.attend(false);
  assert.deepEqual(await reached(made('/free/later')), [DENIED, EVERYBODYS]);
});
