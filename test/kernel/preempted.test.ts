/**
 * Threads that preempt each other inside our programs, which the kernel leaves out then: by the first judge alone some of
 * what is denied gets out, and with the second one nothing does. Long with BOUHEKI_LONG.
 */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { provesItself } from '../../bpf/canary.ts';
import { Egress } from '../../bpf/egress.ts';
import { libbpf } from '../../bpf/libbpf.ts';
import { BpfObject } from '../../bpf/object.ts';
import { activeLsms, mayLeaveOut } from '../../bpf/probe.ts';
import { Counter } from '../../bpf/wire.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { block, compileRules } from './client/policy.ts';

const FOLDER = join(import.meta.dirname, 'preempted');
const SECONDS = process.env['BOUHEKI_LONG'] ? 120 : 5;
const USERS = [0, 1000];
const DENIED = '203.0.113.7';
const DENIED_PORT = '203.0.113.8';
const POLICY = compileRules(`
  allow: [{ name: everything, to: [{}] }]
  deny:
    - { name: all of it, to: [{ cidr: [${DENIED}] }] }
    - { name: one port, to: [{ cidr: [${DENIED_PORT}], port: [514] }] }
`);
const MODES = '/sys/kernel/debug/sched/preempt';
const SECOND_CPU = '/sys/devices/system/cpu/cpu1/online';
const SLOW = ['bpf_get_current_pid_tgid', '__htab_map_lookup_elem'];
/** What a process sends. A reset is the kernel's, to what a server sends again for a connection of an earlier attack. */
const SENT = ['-p udp', '-p tcp --syn'];
const BPF_TRACE_FENTRY = 24;

/** What an attack met, by how it was tried. */
type Outcome = Record<'sendto' | 'connect' | 'send' | 'ask', { refused: number; through: number }>;

/** Runs a command, and returns what it printed. */
function run(...[program, ...words]: string[]): string {
  const { status, stderr, stdout } = spawnSync(program!, words, { encoding: 'utf8' });
  assert.equal(status, 0, `${program} ${words.join(' ')}: ${stderr}`);
  return stdout;
}

/** Switches preemption inside the kernel on, where it can be. */
function preemptFully(): boolean {
  spawnSync('mount', ['-t', 'debugfs', 'debugfs', '/sys/kernel/debug']);
  try {
    writeFileSync(MODES, 'full');
    return readFileSync(MODES, 'utf8').includes('(full)');
  } catch {
    return false;
  }
}

/** Has the other end count the packets of a kind that come for an address. */
function countArrivals(address: string, kind: string): void {
  const words = `netns exec servers iptables -t raw -A PREROUTING -d ${address} ${kind}`;
  run('ip', ...words.split(' '));
}

/** Packets to the denied addresses that have come to the other end so far. */
function arrivals(): number {
  const rules = run('ip', 'netns', 'exec', 'servers', 'iptables', '-t', 'raw', '-nvxL', 'PREROUTING');
  return [...rules.matchAll(/^\s*(\d+)\s+\d+ .*203\.0\.113\.[78]\b/gm)].reduce(
    (sum, [, packets]) => sum + Number(packets),
    0,
  );
}

/** What came of an attack: calls that were refused and that were not, packets, and programs that were left out. */
interface Result {
  /** To ask for a route alone, as getaddrinfo() does, which is allowed. */
  askedInVain: number;
  refused: number;
  through: number;
  packets: number;
  leftOut: number;
}

/** Has every user attack at the same time, and says what came of it. */
async function attack(t: TestContext, egress: Egress): Promise<Result> {
  const packets = arrivals();
  const leftOut = egress.counters()[Counter.skippedRun]!;
  const outcomes = await Promise.all(
    USERS.map(async (uid) => {
      const words = [String(SECONDS), String(uid), DENIED, DENIED_PORT];
      const { stdout } = await promisify(execFile)(join(FOLDER, 'attack'), words);
      return JSON.parse(stdout) as Outcome;
    }),
  );
  const sum = (what: 'refused' | 'through'): number =>
    outcomes.reduce(
      (total, { connect, send, sendto }) => total + connect[what] + send[what] + sendto[what],
      0,
    );
  const result = {
    askedInVain: outcomes.reduce((total, { ask }) => total + ask.refused, 0),
    refused: sum('refused'),
    through: sum('through'),
    packets: arrivals() - packets,
    leftOut: egress.counters()[Counter.skippedRun]! - leftOut,
  };
  t.diagnostic(`in ${SECONDS} s: ${JSON.stringify(result)} ${JSON.stringify(outcomes)}`);
  if (result.leftOut === 0)
    t.diagnostic('no program was left out: this could not provoke what a second judge is for');
  return result;
}

/** The programs under test, made to last. */
function makeSlow(): BpfObject {
  const slow = BpfObject.open(join(FOLDER, 'slow.bpf.o'));
  const found = SLOW.filter((name) => libbpf().libbpf_find_vmlinux_btf_id(name, BPF_TRACE_FENTRY) > 0);
  for (const name of SLOW) if (!found.includes(name)) slow.leaveOut(`${name}_lasts`);
  slow.load();
  for (const name of found) slow.attach(`${name}_lasts`);
  return slow;
}

const able = preemptFully();
const BACKENDS: readonly ('lsm' | 'fmod_ret')[] = activeLsms()?.includes('bpf')
  ? ['lsm', 'fmod_ret']
  : ['fmod_ret'];

for (const backend of BACKENDS) {
  describe(backend, { skip: !able && 'this kernel does not preempt tasks inside itself' }, () => {
    const second = able && mayLeaveOut(backend);
    let egress: Egress;
    let slow: BpfObject;

    before(async () => {
      run('test/vm/network', 'start', '--tcp', '80', '--udp-sink', '514');
      for (const address of [DENIED, DENIED_PORT]) for (const kind of SENT) countArrivals(address, kind);
      egress = Egress.load({ backend }, undefined, { blocks: second ? 'twice' : true });
      assert(await provesItself(egress));
      block(egress, POLICY);
      slow = makeSlow();
    });
    after(() => {
      slow[Symbol.dispose]();
      egress[Symbol.dispose]();
      run('test/vm/network', 'stop');
    });
    afterEach(() => writeFileSync(SECOND_CPU, '1'));

    if (backend === 'fmod_ret') {
      test('alone lets some of what it denies through', async (t) => {
        const { leftOut, packets, through } = await attack(t, egress);
        assert(leftOut > 0, 'programs were left out');
        assert(through > 0 && packets > 0, 'and what they would have denied got out');
      });
    }
    for (const processors of [2, 1]) {
      test(`lets nothing through on ${processors} processors`, async (t) => {
        if (second && egress.judgesAgain === undefined) egress.attachSecondJudge(cgroupRoot());
        writeFileSync(SECOND_CPU, processors === 2 ? '1' : '0');
        const { askedInVain, leftOut, packets, refused, through } = await attack(t, egress);
        assert(refused > 0);
        assert.equal(askedInVain, 0);
        if (second) assert(leftOut > 0, 'programs were left out');
        assert.deepEqual({ packets, through }, { packets: 0, through: 0 });
      });
    }
  });
}
