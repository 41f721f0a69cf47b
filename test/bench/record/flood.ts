/**
 * The other side of the benchmark: a process that loads the flood program, says where its maps are, and writes records
 * at the rates that it is given, line by line on standard input: `RATE SECONDS` (RATE 0: as fast as it can).
 */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { check, checkPointer, libbpf } from '../../../bpf/libbpf.ts';
import { FloodState } from './flood-state.ts';

/** Records of one run of the program, milliseconds between runs, and records that may be caught up on. */
const MOST = 20_000;
const EVERY = 1;
const BEHIND = 100_000;

/** Size of struct bpf_test_run_opts; all of it may be 0 for a syscall program. */
const TEST_RUN_OPTS = 96;

const [subjects, destinations, denyEvery] = process.argv.slice(2).map(Number);
const table = libbpf();
const pointer = checkPointer(
  'open',
  table.bpf_object__open_file(fileURLToPath(new URL('flood.bpf.o', import.meta.url)), null),
);
check('load', table.bpf_object__load(pointer));
const program = table.bpf_program__fd(
  checkPointer('program', table.bpf_object__find_program_by_name(pointer, 'run')),
);
const fdOf = (name: string): number =>
  table.bpf_map__fd(checkPointer(name, table.bpf_object__find_map_by_name(pointer, name)));
const ids = ['connections', 'denials', '.data.flood'].map((name) => idOf(fdOf(name)));
const state = FloodState.of(fdOf('.data.flood'));
state.configure({
  processes: subjects!,
  subjects: subjects!,
  destinations: destinations!,
  denyEvery: denyEvery!,
});
process.stdout.write(`${JSON.stringify(ids)}\n`);

const sleeper = new Int32Array(new SharedArrayBuffer(4));
for await (const line of createInterface({ input: process.stdin })) {
  const [rate, seconds] = line.split(' ').map(Number) as [number, number];
  const cpu = process.cpuUsage();
  const began = process.hrtime.bigint();
  let written = 0;
  let elapsed = 0;
  while (elapsed < seconds) {
    elapsed = Number(process.hrtime.bigint() - began) / 1e9;
    // What the machine kept us from is not made up for in one burst that no ring could hold.
    const due = rate === 0 ? MOST : Math.min(rate * elapsed - written, BEHIND);
    if (due >= 1) {
      const count = Math.min(MOST, Math.floor(due));
      run(count);
      written += count;
    }
    if (due < MOST) Atomics.wait(sleeper, 0, 0, EVERY);
  }
  const { user, system } = process.cpuUsage(cpu);
  process.stdout.write(`${JSON.stringify({ written, seconds: elapsed, cpu: (user + system) / 1e6 })}\n`);
}

function run(count: number): void {
  state.count = count;
  const opts = Buffer.alloc(TEST_RUN_OPTS);
  opts.writeBigUInt64LE(BigInt(TEST_RUN_OPTS));
  check('bpf_prog_test_run_opts', table.bpf_prog_test_run_opts(program, opts));
}

/** The id by which another process gets hold of a map. */
function idOf(fd: number): number {
  const info = Buffer.alloc(80);
  check('bpf_obj_get_info_by_fd', table.bpf_obj_get_info_by_fd(fd, info, [info.length]));
  return info.readUInt32LE(4);
}
