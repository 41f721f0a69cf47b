/**
 * `npm run bench:names [KERNEL]`: what names cost, in instructions: a look-up, packets that are none, a connect() by name,
 * and what the verifier goes through. Runs itself in the virtual machine, where one instruction is one nanosecond (QEMU
 * -icount shift=0).
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootTime } from '../../bpf/clock.ts';
import { Egress } from '../../bpf/egress.ts';
import { Names } from '../../bpf/name/names.ts';
import { NameCounter } from '../../bpf/wire.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { NameVerdicts } from '../../enforcer/name/name-verdicts.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { programFile } from '../../host/program-file.ts';
import { parseAddress } from '../../policy/value/address.ts';
import { AccountNames } from '../../profiler/identity/account.ts';
import { ContainerNames } from '../../profiler/identity/container.ts';
import { CredentialTable } from '../../profiler/identity/credential-table.ts';
import { primeIdentities } from '../../profiler/identity/prime.ts';
import { ProcessTable } from '../../profiler/identity/process-table.ts';
import { Resolvers } from '../../profiler/name/resolvers.ts';
import { ResolverTable } from '../../profiler/name/resolver-table.ts';
import type { ConnectionNames } from '../../profiler/record/connection-names.ts';
import { Recorder } from '../../profiler/record/recorder.ts';
import { compileRules } from '../kernel/client/policy.ts';
import { LineProcess } from '../kernel/line-process.ts';
import { Written } from '../unit/profiler/recorder-fixture.ts';
import { isInMachine, runInMachine } from './machine.ts';

const here = import.meta.dirname;
const root = join(here, '../../..');
const CALLS = join(here, 'names/calls');
/** Patterns of the policy, besides the one that is asked for. */
const PATTERNS = 2000;
/** Destinations in turn: more than a thread's last decisions. */
const IN_TURN = 64;

/** What is loaded while a row is taken. */
type Column = 'no program' | 'judges' | 'judges and names';

interface Row {
  name: string;
  words: readonly string[];
}

const LOOKUPS: Row[] = [
  { name: '1 A, of a name that no rule wants', words: ['other.test', '17', '0', '1', 'new'] },
  { name: '1 A', words: ['bench.test', '17', '0', '1', 'new'] },
  { name: '3 CNAME and 1 A', words: ['bench.test', '17', '3', '1', 'new'] },
  { name: '8 A', words: ['bench.test', '17', '0', '8', 'new'] },
  { name: '8 A that are known', words: ['bench.test', '17', '0', '8', 'again'] },
  { name: '30 A', words: ['bench.test', '17', '0', '30', 'new'] },
  { name: '1 A, of a name of 60 bytes', words: ['bench.test', '60', '0', '1', 'new'] },
];

const OTHERS: Row[] = [
  { name: 'UDP, a byte to a peer', words: ['udp', '1'] },
  { name: 'UDP, a byte to a named address', words: ['named', '1'] },
  { name: 'TCP, a byte', words: ['tcp', '1'] },
  { name: 'TCP, 16,384 bytes', words: ['tcp', '16384'] },
];

const CONNECTS: Row[] = [
  { name: 'IPv4, one address', words: ['4', '1'] },
  { name: `IPv4, ${IN_TURN} in turn`, words: ['4', String(IN_TURN)] },
  { name: 'IPv6, one address', words: ['6', '1'] },
];

const NEAR = '127.0.0.0/8, "::1"';
const patterns = Array.from({ length: PATTERNS }, (_, at) => `n${at}.some.example`).join(', ');
const RULES = {
  cidr: `  allow: [{ to: [{ cidr: [${NEAR}] }] }]\n`,
  /** The bench is allowed by address; what it looks up is wanted. */
  wanted: `  allow: [{ to: [{ cidr: [${NEAR}] }] }, { to: [{ name: [${patterns}, "*.bench.test"], cidr: [10.0.0.0/8] }] }]\n`,
  /** The bench itself goes by a name. */
  named: `  allow: [{ to: [{ name: [${patterns}, near.bench.test], cidr: [${NEAR}] }] }]\n`,
};

function call(kind: string, { words }: Row): number {
  return Number(execFileSync(CALLS, [kind, ...words], { encoding: 'utf8' }));
}

/** What a query and its answer take; `held` is called when somebody holds port 53. */
async function lookUp({ words }: Row, held: () => void): Promise<[query: number, answer: number]> {
  await using calls = await LineProcess.start([CALLS, 'lookup', ...words]);
  held();
  calls.tell('go\n');
  const [query, answer] = (await calls.line()).split(' ').map(Number);
  return [query!, answer!];
}

/** The kernel side, and what reads names, as `enforce` has them. */
class Bench implements Disposable {
  readonly egress = Egress.load();
  readonly #recorder: Recorder;
  #names: Names | undefined;
  #table: ResolverTable | undefined;
  #verdicts: NameVerdicts | undefined;
  #known: ConnectionNames | undefined;

  constructor() {
    primeIdentities(this.egress);
    const written = new Written();
    const processes = new ProcessTable(written, new ContainerNames([]));
    const credentials = new CredentialTable(written, new AccountNames());
    this.#recorder = new Recorder(this.egress, written, processes, credentials);
  }

  loadNames(): void {
    const file = join(mkdtempSync(join(tmpdir(), 'bouheki-bench-')), 'resolv.conf');
    writeFileSync(file, 'nameserver 127.0.0.1\n');
    const resolvers = new Resolvers([file]);
    this.#names = Names.load(cgroupRoot(), this.egress.known);
    this.#table = new ResolverTable(this.#names.resolvers, resolvers);
    this.#known = this.#recorder.readNames(this.#names, resolvers);
    this.#verdicts = new NameVerdicts(this.#names, this.#known, now);
  }

  /** Names of what the bench connects to. */
  know(): void {
    const near = Array.from({ length: IN_TURN }, (_, at) => `127.0.0.${at + 1}`);
    const end = now() + 3600;
    this.#known!.know(
      ['::1', ...near].map((text) => ({ address: parseAddress(text)!, name: 'near.bench.test', end })),
    );
  }

  apply(rules: string, record: boolean): void {
    const names = this.#verdicts;
    const options = { mode: 'block', target: 'host', record, cgroups: [] } as const;
    applyPolicy(this.egress, compileRules(rules), { ...options, ...(names && { names }) });
  }

  /** As the daemon does it about once a second. */
  look = (): void => {
    this.drain();
    this.#table?.look();
  };

  drain(): void {
    this.#recorder.drain();
  }

  /** Throws where an answer did not count or was not recorded: the figures would be of something else. */
  check(): void {
    const counters = this.#names!.counters();
    for (const [name, at] of Object.entries(NameCounter))
      if (counters[at]! > 0) throw new Error(`${counters[at]} ${name}: the figures are of no use`);
  }

  [Symbol.dispose](): void {
    this.#verdicts?.[Symbol.dispose]();
    this.#names?.[Symbol.dispose]();
    this.egress[Symbol.dispose]();
  }
}

function now(): number {
  return Number(bootTime()) / 1e9;
}

/** Figures of rows, by what is loaded. */
class Table {
  readonly #rows = new Map<string, Map<Column, number>>();

  put(name: string, column: Column, figure: number): void {
    const row = this.#rows.get(name) ?? new Map<Column, number>();
    this.#rows.set(name, row.set(column, figure));
  }

  print(title: string): void {
    console.log(`\n${title}\n\n| | no program | judges add | names add |\n|---|---:|---:|---:|`);
    for (const [name, figures] of this.#rows) {
      const [none, judges, names] = [...figures.values()] as [number, number, number];
      console.log(`| ${name} | ${none} | ${signed(judges - none)} | ${signed(names - judges)} |`);
    }
  }
}

function signed(difference: number): string {
  return difference < 0 ? String(difference) : `+${difference}`;
}

async function takePackets(column: Column, lookups: Table, others: Table, held: () => void): Promise<void> {
  for (const row of LOOKUPS) {
    const [query, answer] = await lookUp(row, held);
    lookups.put(`${row.name}: query`, column, query);
    lookups.put(`${row.name}: answer`, column, answer);
  }
  for (const row of OTHERS) others.put(row.name, column, call('send', row));
}

function printConnects(lines: readonly [string, readonly number[]][], none: readonly number[]): void {
  console.log('\nUDP connect(), verdict only; below the first line what is added\n');
  console.log(`| | ${CONNECTS.map(({ name }) => name).join(' | ')} |`);
  console.log(`|---|${CONNECTS.map(() => '---:').join('|')}|\n| no program | ${none.join(' | ')} |`);
  for (const [name, figures] of lines)
    console.log(`| ${name} | ${figures.map((figure, at) => signed(figure - none[at]!)).join(' | ')} |`);
}

const connects = (): number[] => CONNECTS.map((row) => call('connect', row));

/** The same kernel side compiled without what asks for names; what changes here is gone with the machine. */
function withoutNames(): number[] {
  copyFileSync(join(here, 'names/egress-without-names.bpf.o'), programFile('bpf/egress.bpf.o'));
  using bench = new Bench();
  bench.apply(RULES.cidr, false);
  return connects();
}

function printVerified(): void {
  const output = execFileSync(join(here, 'load/verify'), [programFile('bpf/names.bpf.o')], {
    encoding: 'utf8',
  });
  const { programs } = JSON.parse(output) as { programs: { name: string; instructions: number }[] };
  const told = programs.map(({ name, instructions }) => `${name} ${instructions}`);
  console.log(`\nInstructions verified: ${told.join(', ')}`);
}

async function measurePackets(): Promise<void> {
  const [lookups, others] = [new Table(), new Table()];
  await takePackets('no program', lookups, others, () => {});
  using bench = new Bench();
  bench.apply(RULES.cidr, true);
  await takePackets('judges', lookups, others, bench.look);
  bench.drain();
  bench.loadNames();
  bench.apply(RULES.wanted, true);
  await takePackets('judges and names', lookups, others, bench.look);
  bench.check();
  lookups.print(
    `A look-up over loopback, ${PATTERNS + 1} names in the policy; the name has 17 bytes where nothing is said`,
  );
  others.print('Packets that are no DNS, send() of one over loopback: both ways');
}

/** Each kernel side without conversations of before, which a connect() by UDP would be compared with. */
function measureConnects(): void {
  const none = connects();
  const lines: [string, number[]][] = [];
  {
    using bench = new Bench();
    bench.apply(RULES.cidr, false);
    lines.push(['allowed by address, policy without names', connects()]);
    bench.loadNames();
    bench.apply(RULES.wanted, false);
    lines.push(['allowed by address, policy with names', connects()]);
    bench.apply(RULES.named, false);
    lines.push(['denied: by name alone, not known', connects()]);
    bench.know();
    lines.push(['allowed by name', connects()]);
    bench.check();
  }
  lines.unshift(['allowed by address, compiled without rules by name', withoutNames()]);
  printConnects(lines, none);
}

if (!isInMachine) {
  const [kernel = '6.1'] = process.argv.slice(2);
  execFileSync(join(root, 'test/bench/names/build.sh'), { stdio: 'inherit' });
  process.exitCode = runInMachine(import.meta.filename, kernel, 2000);
} else {
  console.log(`Instructions, Linux ${execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()}`);
  measureConnects();
  await measurePackets();
  printVerified();
}
