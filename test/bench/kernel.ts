/**
 * `npm run bench:kernel`: what bouheki adds to a system call, in instructions. Runs itself in the virtual machine, where
 * one instruction is one nanosecond (QEMU -icount shift=0), so that the figures are the same on every machine.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { Egress } from '../../bpf/egress.ts';
import { BpfObject } from '../../bpf/object.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { compilePolicy } from '../../enforcer/compile.ts';
import { primeIdentities } from '../../profiler/identity/prime.ts';
import { benchPolicy } from './kernel/policy.ts';
import { isInMachine, runInMachine } from './machine.ts';

const here = import.meta.dirname;
const root = join(here, '../../..');

const SIZES = [
  { boxes: 1, prefixes: 1 },
  { boxes: 64, prefixes: 1000 },
  { boxes: 512, prefixes: 100_000 },
] as const;

/** How the kernel side is attached, one column each. */
const COLUMNS = [
  { name: 'lsm', backend: 'lsm', second: false },
  { name: 'fmod_ret', backend: 'fmod_ret', second: false },
  { name: 'fmod_ret, two judges', backend: 'fmod_ret', second: true },
] as const;
type Column = (typeof COLUMNS)[number];

/** Instructions of each call, by the label of its row. */
type Rows = Map<string, Map<Call, number>>;

interface Call {
  name: string;
  ipv6: boolean;
}

/** `tcp-exchange` is what a whole program pays for one of 2,000 short connections, with all that both ends do. */
const CALLS = ['udp-connect', 'tcp-connect', 'udp-sendto', 'tcp-send', 'tcp-exchange'];

const TABLES = [
  { title: 'IPv4', calls: callsOf(CALLS, false) },
  { title: 'IPv6', calls: callsOf(CALLS, true) },
  {
    title: '64 destinations in turn; a subject worked out anew each time; new processes',
    calls: callsOf(['udp-connect-many', 'udp-connect-cold', 'fork', 'exec'], false),
  },
];

function callsOf(names: readonly string[], ipv6: boolean): Call[] {
  return names.map((name) => ({ name, ipv6 }));
}

function signed(difference: number): string {
  return difference < 0 ? String(difference) : `+${difference}`;
}

/** Measures every call, and keeps what came out under a label. */
function take(rows: Rows, label: string): void {
  const figures = new Map<Call, number>();
  for (const call of TABLES.flatMap(({ calls }) => calls)) {
    const words = call.ipv6 ? [call.name, '6'] : [call.name];
    figures.set(call, Number(execFileSync(join(here, 'kernel/calls'), words, { encoding: 'utf8' })));
  }
  rows.set(label, figures);
}

function takeEmpty(rows: Rows, { backend }: Column): void {
  using empty = BpfObject.open(join(here, `kernel/empty-${backend}.bpf.o`));
  empty.load();
  for (const hook of ['socket_connect', 'socket_sendmsg', 'socket_create', 'committed_creds', 'process_fork'])
    empty.attach(hook);
  take(rows, 'empty programs');
}

/** With the programs loaded once, as policies come and go in one run of `enforce`. */
function rowsOf(column: Column): Rows {
  const { backend, second } = column;
  const rows: Rows = new Map();
  take(rows, 'no program');
  takeEmpty(rows, column);
  using egress = Egress.load(
    { backend },
    { connections: 256 << 20, denials: 1 << 16 },
    { blocks: second ? 'twice' : true },
  );
  primeIdentities(egress);
  if (second) egress.attachSecondJudge(cgroupRoot());
  const apply = (size: (typeof SIZES)[number], record: boolean): string => {
    const compiled = compilePolicy(benchPolicy(size), () => undefined);
    applyPolicy(egress, compiled, { mode: 'block', target: 'host', record, cgroups: [] });
    return `${size.boxes} boxes, ${size.prefixes} prefixes, ${record ? 'with event' : 'verdict only'}`;
  };
  for (const size of SIZES) for (const record of [false, true]) take(rows, apply(size, record));
  // What `enforce` has besides in block mode, and with --backstop. Neither can be taken away again.
  const label = apply(SIZES[1], true);
  egress.attachRouteGuard(cgroupRoot());
  take(rows, `${label}, source routes of packets`);
  egress.attachBackstop(cgroupRoot());
  take(rows, `${label}, and the backstop`);
  const lost = egress.counters().reduce((sum, count) => sum + count, 0);
  if (lost > 0) throw new Error(`${lost} records did not fit: the figures are of no use`);
  return rows;
}

function print(title: string, calls: readonly Call[], columns: readonly Rows[]): void {
  console.log(`\n${title}\n`);
  const heads = calls.flatMap((call) => COLUMNS.map(({ name }) => `${call.name}, ${name}`));
  console.log(`| | ${heads.join(' | ')} |`);
  console.log(`|---|${heads.map(() => '---:').join('|')}|`);
  for (const label of columns[0]!.keys()) {
    const cells = calls.flatMap((call) =>
      columns.map((rows) => {
        const base = rows.get('no program')!.get(call)!;
        const figure = rows.get(label)!.get(call)!;
        return label === 'no program' ? String(figure) : signed(figure - base);
      }),
    );
    console.log(`| ${label} | ${cells.join(' | ')} |`);
  }
}

if (!isInMachine) {
  const [kernel = '6.1'] = process.argv.slice(2);
  execFileSync(join(root, 'test/bench/kernel/build.sh'), { stdio: 'inherit' });
  process.exitCode = runInMachine(import.meta.filename, kernel, 4000);
} else {
  console.log('Instructions of one call; below the first line, what is added to it. Warm subject.');
  const columns = COLUMNS.map(rowsOf);
  for (const { calls, title } of TABLES) print(title, calls, columns);
}
