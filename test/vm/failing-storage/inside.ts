/** Inside a machine in which task storage may fail: what a few processes reached, and what was lost, as JSON. */
import { hostname } from 'node:os';
import { Egress } from '../../../bpf/egress.ts';
import { provesItself } from '../../../bpf/canary.ts';
import { applyPolicy } from '../../../enforcer/apply.ts';
import { compilePolicy } from '../../../enforcer/compile.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import { primeIdentities } from '../../../profiler/identity/prime.ts';
import { Client, PROGRAM, type Tally, type Work } from '../../kernel/client/client.ts';

if (hostname() !== 'bouheki-vm') throw new Error('only inside test/vm/run');

export interface Result {
  primed: number;
  /** By what was asked of the client: who may go where is in the policy below. */
  tallies: Record<string, Tally[]>;
  counters: number[];
}

const DESTINATIONS = ['198.51.100.1', '198.51.100.2', '198.51.100.3'].map((address) => ({
  address,
  port: 9,
}));
const [BY_USER, BY_PROGRAM, TO_OTHERS] = DESTINATIONS.map(({ address }) => address);
const { policy } = parsePolicy(
  `version: 2
network:
  mode: block
  deny:
    - { from: { exe: [/usr/bin/env] }, to: [{ cidr: [${TO_OTHERS}] }] }
  allow:
    - { from: { uid: [1000] }, to: [{ cidr: [${BY_USER}] }] }
    - { from: { exe: [${PROGRAM}] }, to: [{ cidr: [${BY_PROGRAM}] }] }
    - { to: [{ cidr: [${TO_OTHERS}] }] }
`,
  'test',
);

/** More threads than there is room for subjects. */
const THREADS = 8500;
const ASKED: Record<string, Omit<Work, 'destinations'>> = {
  user: { uid: 1000, rounds: 10 },
  other: { uid: 2000, rounds: 10 },
  forks: { uid: 1000, rounds: 100, by: 'forks' },
  threads: { uid: 1000, rounds: THREADS, by: 'threads' },
  others: { uid: 2000, rounds: THREADS, by: 'threads' },
};

using egress = Egress.load(undefined, { connections: 1 << 16, denials: 1 << 16 });
if (!(await provesItself(egress))) throw new Error('the kernel does not ask the programs');
const primed = primeIdentities(egress);
const compiled = compilePolicy(policy!, (path) => egress.identify(path));
applyPolicy(egress, compiled, { mode: 'block', target: 'host', record: true, cgroups: [] });
const tallies: Record<string, Tally[]> = {};
for (const [name, work] of Object.entries(ASKED)) {
  // oxlint-disable-next-line no-await-in-loop
  tallies[name] = await new Client({ destinations: DESTINATIONS, ...work }).tallies();
}
const result: Result = { primed, tallies, counters: egress.counters() };
process.stdout.write(JSON.stringify(result));
