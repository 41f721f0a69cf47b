/**
 * `npm run bench:kernel`: what bouheki adds to a system call, in instructions. Runs itself in the virtual machine, where
 * one instruction is one nanosecond (QEMU -icount shift=0), so that the figures are the same on every machine.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { Egress } from '../../bpf/egress.ts';
import { BpfObject } from '../../bpf/object.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { compilePolicy } from '../../enforcer/compile.ts';
import { primeIdentities } from '../../profiler/identity/prime.ts';
import { benchPolicy } from './kernel/policy.ts';

const here = import.meta.dirname;
const root = join(here, '../../..');

const CALLS = ['udp-connect', 'tcp-connect', 'udp-sendto', 'tcp-send'];
const SIZES = [
  { boxes: 1, prefixes: 1 },
  { boxes: 64, prefixes: 1000 },
  { boxes: 512, prefixes: 100_000 },
];

interface Row {
  label: string;
  figures: number[];
}

function signed(difference: number): string {
  return difference < 0 ? String(difference) : `+${difference}`;
}

/** Instructions of one call, without or with `6` over IPv6. */
function measure(call: string, ipv6: boolean): number {
  const calls = join(here, 'kernel/calls');
  return Number(execFileSync(calls, ipv6 ? [call, '6'] : [call], { encoding: 'utf8' }));
}

function rowsOf(calls: readonly string[], ipv6: boolean): Row[] {
  const rows: Row[] = [];
  const take = (label: string) => rows.push({ label, figures: calls.map((call) => measure(call, ipv6)) });
  take('no program');
  {
    using empty = BpfObject.open(join(here, 'kernel/empty.bpf.o'));
    empty.load();
    for (const hook of [
      'socket_connect',
      'socket_sendmsg',
      'socket_create',
      'committed_creds',
      'process_fork',
    ])
      empty.attach(hook);
    take('empty programs');
  }
  for (const size of SIZES) {
    for (const record of [false, true]) {
      using egress = Egress.load(undefined, { connections: 64 << 20, denials: 1 << 16 });
      primeIdentities(egress);
      const compiled = compilePolicy(benchPolicy(size), () => undefined);
      applyPolicy(egress, compiled, { mode: 'block', target: 'host', record, cgroups: [] });
      take(`${size.boxes} boxes, ${size.prefixes} prefixes, ${record ? 'with event' : 'verdict only'}`);
      // What `enforce` has besides in block mode, and with --backstop.
      if (record && size === SIZES[1]) {
        egress.attachRouteGuard(cgroupRoot());
        take('the same, source routes of packets');
        egress.attachBackstop(cgroupRoot());
        take('the same, with the backstop');
      }
      const lost = egress.counters().reduce((sum, count) => sum + count, 0);
      if (lost > 0) throw new Error(`${lost} records did not fit: the figures are of no use`);
    }
  }
  return rows;
}

function print(title: string, calls: readonly string[], rows: readonly Row[]): void {
  console.log(`\n${title}\n`);
  console.log(`| | ${calls.join(' | ')} |`);
  console.log(`|---|${calls.map(() => '---:').join('|')}|`);
  const base = rows[0]!.figures;
  for (const [index, { label, figures }] of rows.entries()) {
    const cells = figures.map((figure, call) =>
      index === 0 ? String(figure) : signed(figure - base[call]!),
    );
    console.log(`| ${label} | ${cells.join(' | ')} |`);
  }
}

if (process.env.BOUHEKI_VM_BENCH === undefined) {
  const [kernel = '6.1'] = process.argv.slice(2);
  execFileSync(join(root, 'test/bench/kernel/build.sh'), { stdio: 'inherit' });
  const { status } = spawnSync(
    join(root, 'test/vm/run'),
    [
      '--kernel',
      kernel,
      '--icount',
      '--timeout',
      '3000',
      '--',
      'env',
      'BOUHEKI_VM_BENCH=1',
      process.execPath,
      import.meta.filename,
    ],
    { stdio: 'inherit' },
  );
  process.exitCode = status ?? 1;
} else {
  console.log('Instructions of one call; below the first line, what is added to it. Warm subject.');
  print('IPv4', CALLS, rowsOf(CALLS, false));
  print('IPv6', CALLS, rowsOf(CALLS, true));
  const rare = ['udp-connect-many', 'udp-connect-cold', 'fork', 'exec'];
  print(
    '64 destinations in turn; a subject worked out anew each time; new processes',
    rare,
    rowsOf(rare, false),
  );
}
