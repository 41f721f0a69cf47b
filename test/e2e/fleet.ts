/** A fleet in one machine: two hosts, which are two cgroups with agents and records of their own, and a hub. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BOUHEKI, bouheki, Running } from './bouheki.ts';
import {
  cgroup,
  type Ended,
  folder,
  inCgroup,
  runWithin,
  startNetwork,
  stopNetwork,
  succeeded,
} from './guest.ts';

/** What `hub run --demo` starts. */
export const skip: string | false =
  !existsSync('/usr/lib/postgresql') && 'no PostgreSQL is installed on this machine';

/** An emulated machine takes its time, and a leader waits before it goes on. Milliseconds. */
export const PATIENCE = 420_000;
/** A hub that leads newly waits for so long before it goes on: signs of life come every 30 seconds. */
const LIMITS = { silent: '75s', deadline: '5m' };

export type Name = 'web-1' | 'web-2';
export const HOSTS: readonly Name[] = ['web-1', 'web-2'];

/** A part of the two hosts that holds a release, in a plan. */
export interface Stage {
  name: string;
  hosts: '50%' | 'all';
  mode: 'monitor' | 'block';
  /** A second where it is not said. */
  soak?: string;
}

/** Hub, engine, and two hosts that have joined; what enforces or learns on them is started by the tests. */
export class Fleet {
  readonly #place = folder();
  readonly #hosts = new Map<Name, Running>();
  readonly #loops: ChildProcess[] = [];
  #hub: Running | undefined;

  constructor() {
    // PostgreSQL runs as another user.
    chmodSync(this.#place, 0o711);
  }

  /** Starts the network, hub and engine, and has both hosts join. */
  async start(): Promise<void> {
    startNetwork();
    const [hub, demo] = [this.#at('hub'), this.#at('demo')];
    succeeded(bouheki('hub', 'init', '--dir', hub, '--name', '127.0.0.1'));
    const { stdout } = succeeded(bouheki('fleet', 'author-key', this.#at('author.key')));
    mkdirSync(join(hub, 'authors'), { recursive: true });
    writeFileSync(join(hub, 'authors/author.pem'), stdout);
    succeeded(bouheki('hub', 'operator', 'anna', '--dir', hub, '--into', this.#at('operator')));
    const ports = ['--listen', '127.0.0.1:8443', '--enroll-listen', '127.0.0.1:8444'];
    this.#hub = Running.begin('hub', 'run', '--dir', hub, '--demo', demo, ...ports);
    await this.says(/^The hub listens at /m);
    const made = bouheki('hub', 'token', '--dir', hub, '--demo', demo, '--label', 'role=web', '--uses', '2');
    writeFileSync(this.#at('token'), succeeded(made).stdout);
    succeeded(this.ask('workload', 'set', 'web', '--select', 'role=web'));
    for (const name of HOSTS) {
      succeeded(bouheki('join', '--token-file', this.#at('token'), '--dir', this.#at(name), '--name', name));
    }
  }

  /** Starts `learn`, or `enforce` with what the fleet has published, on both hosts. */
  async begin(...command: ['learn' | 'enforce', ...string[]]): Promise<void> {
    for (const name of HOSTS) {
      const own = [
        '--cgroup',
        cgroupOf(name),
        '--db',
        this.#at(`${name}.duckdb`),
        '--fleet-dir',
        this.#at(name),
      ];
      this.#hosts.set(name, await Running.start(...command, ...own));
    }
  }

  host(name: Name): Running {
    return this.#hosts.get(name)!;
  }

  get #said(): string {
    return this.#hub!.stderr;
  }

  /** Ends what was begun on the hosts. */
  async endHosts(): Promise<void> {
    for (const [name, each] of this.#hosts) {
      this.#hosts.delete(name);
      succeeded(await each.end('SIGINT'));
    }
  }

  /** A host connects to port 80 of an address every second, until the end. */
  connectOn(name: Name, address: string): void {
    const loop = `while :; do (exec 3<>/dev/tcp/${address}/80) 2>/dev/null; sleep 1; done`;
    const into = 'echo 0 >"$0/cgroup.procs" && exec "$@"';
    const own = ['-c', into, cgroupOf(name), 'bash', '-c', loop];
    this.#loops.push(spawn('sh', own, { stdio: 'ignore' }));
  }

  async end(): Promise<void> {
    for (const loop of this.#loops) loop.kill('SIGKILL');
    for (const each of this.#hosts.values()) await each.end('SIGINT');
    await this.#hub?.end('SIGINT');
    stopNetwork();
  }

  /** `bouheki fleet`, by an operator. */
  ask(...args: string[]): Ended {
    return runWithin(PATIENCE, ...BOUHEKI, 'fleet', ...args, '--operator', this.#at('operator'));
  }

  generate(...args: string[]): Ended {
    return bouheki('generate', '--fleet', '--workload', 'web', ...args, '--operator', this.#at('operator'));
  }

  /** Publishes a policy that allows these addresses, in stages. */
  publish(addresses: readonly string[], stages: readonly Stage[], ...args: string[]): Ended {
    const cidrs = addresses.join(', ');
    const text = `version: 2\nnetwork:\n  mode: block\n  target: host\n  allow: [{ to: [{ cidr: [${cidrs}] }] }]\n`;
    const [policy, plan] = [this.#at('policy.yaml'), this.#at('plan.json')];
    writeFileSync(policy, text, { mode: 0o600 });
    const soaking = stages.map((stage) => ({ soak: '1s', ...stage }));
    writeFileSync(plan, JSON.stringify({ stages: soaking, limits: LIMITS }), { mode: 0o600 });
    const how = ['--workload', 'web', '--key', this.#at('author.key'), '--mode', 'block', '--plan', plan];
    return succeeded(this.ask('publish', policy, ...how, ...args));
  }

  /** Waits until the hub says this of a release. Shows what everybody said where it says `other`, or nothing. */
  async says(pattern: RegExp, other?: RegExp): Promise<RegExpExecArray> {
    const deadline = performance.now() + PATIENCE;
    for (;;) {
      const said = this.#said;
      const found = pattern.exec(said);
      if (found !== null) return found;
      const isOver = performance.now() > deadline || other?.test(said) === true;
      if (isOver) throw new Error(`no ${String(pattern)}\n${this.story()}`);
      await sleep(500);
    }
  }

  /** What hub and hosts said. */
  story(): string {
    const hosts = HOSTS.map((name) => `--- ${name}\n${this.#hosts.get(name)?.stderr ?? ''}`);
    return [`--- hub\n${this.#said}`, ...hosts].join('\n');
  }

  #at(name: string): string {
    return join(this.#place, name);
  }
}

/** The address of the hub, which every policy has to allow. */
export const HUB = '127.0.0.1/32';

/** A fleet that is there while the tests of a suite run, and enforces what it has published. */
export function enforcingFleet(): Fleet {
  const fleet = new Fleet();
  before(async () => {
    await fleet.start();
    await fleet.begin('enforce');
  });
  after(async () => await fleet.end());
  return fleet;
}

function cgroupOf(name: Name): string {
  return cgroup(`/${name}`);
}

/** What becomes of a connection of a host to port 80 of an address: by bash, which needs nothing to be loaded. */
export function connect(name: Name, address: string): 'reached' | 'EPERM' | string {
  const { status, stderr } = inCgroup(cgroupOf(name), 'bash', '-c', `exec 3<>/dev/tcp/${address}/80`);
  if (status === 0) return 'reached';
  return stderr.includes('Operation not permitted') ? 'EPERM' : stderr;
}
