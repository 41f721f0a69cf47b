/**
 * `npm run bench:load [KERNEL]...`: how long loading the kernel side takes, beside `bpftool prog loadall` of the same
 * object, and where the time goes. Runs itself in the virtual machine, where one instruction is one nanosecond (QEMU
 * -icount shift=0): a millisecond is a million instructions, or waiting.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { Egress } from '../../bpf/egress.ts';
import type { KernelNeeds } from '../../bpf/requirement.ts';
import { BpfObject } from '../../bpf/object.ts';
import { type Attachment, objectsFor } from '../../bpf/probe.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { programFile } from '../../host/program-file.ts';
import { isInMachine, runInMachine } from './machine.ts';

const here = import.meta.dirname;
const root = join(here, '../../..');
/** The least of this many. */
const RUNS = 3;
const PINS = '/tmp/bench-load-pins';

/** One way in which `enforce` or `learn` loads an object. */
interface Way {
  name: string;
  attachment: Attachment;
  needs: KernelNeeds;
}

/** What one way took, milliseconds. */
interface Figures {
  /** Opened, loaded, attached. */
  ours: number;
  loading: number;
  bpftool: number;
  verifier: number;
  /** Where the verifier had to look at most. */
  longest: { name: string; instructions: number };
}

interface Verified {
  programs: { name: string; microseconds: number; instructions: number }[];
}

function inMachine(): Way[] {
  const ways: Way[] = [];
  for (const backend of ['lsm', 'fmod_ret'] as const) {
    ways.push({ name: `${backend}, learn`, attachment: { backend }, needs: { blocks: false } });
    ways.push({ name: `${backend}, enforce`, attachment: { backend }, needs: { blocks: true } });
    ways.push({ name: `${backend}, two judges`, attachment: { backend }, needs: { blocks: 'twice' } });
  }
  return [...ways, ofCgroup()];
}

/** To a cgroup that only we have made. */
function ofCgroup(): Way {
  return { name: 'cgroup', attachment: { backend: 'cgroup', cgroup: ownCgroup() }, needs: {} };
}

function ownCgroup(): string {
  return join(cgroupRoot(), 'bench-load');
}

function least(times: readonly number[]): number {
  return Math.min(...times);
}

/** Runs an action several times and returns the least time. What comes of it is disposed of outside of that. */
function leastOf(action: () => Disposable | undefined): number {
  return least(
    Array.from({ length: RUNS }, () => {
      const begun = performance.now();
      using _result = action();
      return performance.now() - begun;
    }),
  );
}

/** How long the kernel takes, apart from the rest of what we do. */
function timeLoad(): { take: () => number } {
  const load = Object.getOwnPropertyDescriptor(BpfObject.prototype, 'load')!.value as () => void;
  let spent = Number.POSITIVE_INFINITY;
  BpfObject.prototype.load = function timed(this: BpfObject): void {
    const begun = performance.now();
    load.call(this);
    spent = Math.min(spent, performance.now() - begun);
  };
  return {
    take: () => {
      BpfObject.prototype.load = load;
      return spent;
    },
  };
}

function bpftoolLoads(object: string): number {
  mkdirSync(PINS, { recursive: true });
  execFileSync('mount', ['-t', 'bpf', 'bpf', PINS]);
  try {
    return leastOf(() => {
      execFileSync('bpftool', ['prog', 'loadall', object, join(PINS, 'all')]);
      return { [Symbol.dispose]: () => execFileSync('rm', ['-r', join(PINS, 'all')]) };
    });
  } finally {
    execFileSync('umount', [PINS]);
  }
}

function figuresOf({ attachment, needs }: Way): Figures {
  const [first] = objectsFor(attachment.backend, needs.blocks === 'twice');
  const object = programFile(`bpf/${first!.file}.bpf.o`);
  const timing = timeLoad();
  const ours = leastOf(() => Egress.load(attachment, undefined, needs));
  const loading = timing.take();
  const { programs } = JSON.parse(
    execFileSync(join(here, 'load/verify'), [object], { encoding: 'utf8' }),
  ) as Verified;
  const [longest] = programs.toSorted((one, other) => other.instructions - one.instructions);
  return {
    ours,
    loading,
    bpftool: bpftoolLoads(object),
    verifier: programs.reduce((sum, { microseconds }) => sum + microseconds / 1000, 0),
    longest: longest!,
  };
}

function print(ways: readonly Way[]): void {
  const heads = ['whole', 'of that load', 'bpftool loadall', 'load / bpftool', 'verifier', 'largest program'];
  console.log(`| | ${heads.join(' | ')} |`);
  console.log(`|---|${heads.map(() => '---:').join('|')}|`);
  for (const way of ways) {
    try {
      const { bpftool, loading, longest, ours, verifier } = figuresOf(way);
      const ratio = (loading / bpftool).toFixed(2);
      const numbers = [ours, loading, bpftool].map((time) => time.toFixed(0));
      const most = `${longest.name} ${longest.instructions}`;
      console.log(`| ${way.name} | ${[...numbers, ratio, verifier.toFixed(0), most].join(' | ')} |`);
    } catch (error) {
      console.log(`| ${way.name} | ${error instanceof Error ? error.message : String(error)} |`);
    }
  }
}

function withOwnCgroup(action: () => void): void {
  const made = ownCgroup();
  mkdirSync(made, { recursive: true });
  try {
    action();
  } finally {
    rmdirSync(made);
  }
}

if (isInMachine) withOwnCgroup(() => print(inMachine()));
else {
  execFileSync(join(root, 'test/bench/load/build.sh'), { stdio: 'inherit' });
  const kernels = process.argv.slice(2);
  for (const kernel of kernels.length > 0 ? kernels : ['6.1']) {
    console.log(`\n${kernel}: milliseconds\n`);
    if (runInMachine(import.meta.filename, kernel, 4000) !== 0) process.exitCode = 1;
  }
}
