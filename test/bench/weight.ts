/**
 * `npm run bench:weight`: what the agent itself costs a host, beside `node -e 0` in the same run: memory, instructions at
 * rest, until it records or a policy is in force, and for a recorded connection. Runs itself in the virtual machine,
 * where one instruction is one nanosecond (QEMU -icount shift=0). All processes of a command are in a cgroup of their
 * own, whose CPU time counts every thread of them, also those that have ended.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { largePolicy } from './large-policy.ts';
import { isInMachine, runInMachine } from './machine.ts';

const here = import.meta.dirname;
const root = join(here, '../../..');
const BOUHEKI = join(here, '../../bundle/main.js');
const CONNECT = join(here, 'record/connect');

/** Seconds until a start is over and its code compiled, and for which rest is measured. */
const SETTLING = 30;
const RESTING = 20;
/** Connections a second, seconds, destinations. */
const TRAFFIC = { rate: 2000, seconds: 5, destinations: 1000 };

/** Processes in a cgroup of their own. */
class Group {
  readonly path: string;

  constructor(name: string) {
    this.path = join(cgroupRoot(), `bouheki-weight-${name}`);
    mkdirSync(this.path);
  }

  start(args: readonly string[]): ChildProcess {
    const script = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"';
    return spawn('sh', ['-c', script, 'sh', this.path, process.execPath, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }

  /** Instructions of all that ran here. */
  get instructions(): number {
    return 1000 * Number(/^usage_usec (\d+)/m.exec(readFileSync(join(this.path, 'cpu.stat'), 'utf8'))![1]);
  }

  /** Resident memory of each process, and the part of it that is no file's, MiB. */
  get memory(): { rss: number; anonymous: number }[] {
    const pids = readFileSync(join(this.path, 'cgroup.procs'), 'utf8').trim().split('\n');
    return pids.map((pid) => {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const of = (name: string): number =>
        Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)![1]) / 1024;
      return { rss: of('VmRSS'), anonymous: of('RssAnon') };
    });
  }
}

/** What one command cost. */
interface Weight {
  start: number;
  rss: number[];
  anonymous: number[];
  atRest: number;
  connection?: number;
}

async function ready(child: ChildProcess, said: RegExp): Promise<void> {
  let text = '';
  for await (const piece of child.stderr!.iterator({ destroyOnReturn: false })) {
    text += String(piece);
    if (said.test(text)) break;
  }
  child.stderr!.resume();
  if (!said.test(text)) throw new Error(`it did not start: ${text}`);
}

async function weigh(name: string, args: readonly string[], said: RegExp, connects = false): Promise<Weight> {
  const group = new Group(name);
  const child = group.start(args);
  await ready(child, said);
  const start = group.instructions;
  await sleep(SETTLING * 1000);
  const settled = group.instructions;
  await sleep(RESTING * 1000);
  const atRest = (group.instructions - settled) / RESTING;
  const { memory } = group;
  const weight: Weight = {
    start,
    atRest,
    rss: memory.map(({ rss }) => rss),
    anonymous: memory.map(({ anonymous }) => anonymous),
    ...(connects && { connection: await perConnection(group, atRest) }),
  };
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
  rmdirSync(group.path);
  return weight;
}

/** Instructions for each of some connections, without what it takes at rest, once V8 has compiled what they take. */
async function perConnection(group: Group, atRest: number): Promise<number> {
  const others = join(cgroupRoot(), 'bouheki-weight-clients');
  mkdirSync(others);
  await connectFrom(others);
  const begun = performance.now();
  const before = group.instructions;
  const made = await connectFrom(others);
  const spent = group.instructions - before - (atRest * (performance.now() - begun)) / 1000;
  rmdirSync(others);
  return spent / made;
}

/** Makes connections from a cgroup. Returns how many, when they are committed. */
async function connectFrom(cgroup: string): Promise<number> {
  const { rate, seconds, destinations } = TRAFFIC;
  const words = [cgroup, ...[rate, seconds].map(String), 'tcp', String(destinations)];
  const client = spawn(CONNECT, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  client.stdout.on('data', (piece) => (printed += String(piece)));
  await once(client, 'exit');
  await sleep(2000);
  return Number(printed.split(' ')[0]);
}

async function ofNode(): Promise<number> {
  const group = new Group('node');
  await once(group.start(['-e', '0']), 'exit');
  const before = group.instructions;
  await once(group.start(['-e', '0']), 'exit');
  const { instructions } = group;
  rmdirSync(group.path);
  return instructions - before;
}

function sum(list: readonly number[]): string {
  const parts = list.map((each) => each.toFixed(0)).join(' + ');
  return `${list.reduce((all, each) => all + each, 0).toFixed(0)} (${parts})`;
}

function row(name: string, { anonymous, atRest, connection, rss, start }: Weight, node: number): void {
  const cells = [
    name,
    `${(start / 1e6).toFixed(0)}`,
    `x${(start / node).toFixed(1)}`,
    (atRest / 1e6).toFixed(2),
    sum(rss),
    sum(anonymous),
    connection === undefined ? '' : connection.toFixed(0),
  ];
  console.log(`| ${cells.join(' | ')} |`);
}

async function inMachine(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'weight-'));
  // What the clients below connect to is allowed: a denial has a line in the log besides.
  const loopback = '    - name: loopback\n      to: [{ cidr: [127.0.0.0/8] }]\n';
  const policies = { few: largePolicy(9, 1), many: largePolicy(9, 11_112) };
  for (const [name, text] of Object.entries(policies)) writeFileSync(join(directory, name), text + loopback);
  const node = await ofNode();
  console.log(
    'M are million instructions. Memory is in MiB: of the daemon and of the process of the record.',
  );
  console.log('| | start, M | / node | at rest, M/s | RSS | anonymous | a connection |');
  console.log('|---|---:|---:|---:|---:|---:|---:|');
  console.log(`| node -e 0 | ${(node / 1e6).toFixed(0)} | x1.0 | | | | |`);
  const db = (name: string): string[] => ['--db', join(directory, `${name}.duckdb`)];
  const learn = [BOUHEKI, 'learn', ...db('learn')];
  row('learn', await weigh('learn', learn, /^Recording \d+ into /m, true), node);
  for (const [name, title] of [
    ['few', 'enforce, 10 rules'],
    ['many', 'enforce, 100,000 prefixes'],
  ] as const) {
    const enforce = [BOUHEKI, 'enforce', join(directory, name), '--mode', 'monitor', '--no-preflight'];
    const weight = await weigh(name, [...enforce, ...db(name)], /^Recording \d+ into /m, name === 'few');
    row(title, weight, node);
  }
}

if (!isInMachine) {
  const [kernel = '6.1'] = process.argv.slice(2);
  execFileSync(join(root, 'test/bench/record/build.sh'), { stdio: 'inherit' });
  process.exitCode = runInMachine(import.meta.filename, kernel, 4000);
} else await inMachine();
