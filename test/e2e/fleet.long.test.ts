/** A fleet in one machine: two hosts, which are two cgroups with agents and records of their own, and a hub. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bouheki, Running } from './bouheki.ts';
import { cgroup, type Ended, folder, inCgroup, startNetwork, stopNetwork, succeeded } from './guest.ts';

/** What `hub run --demo` starts. */
const skip = !existsSync('/usr/lib/postgresql') && 'no PostgreSQL is installed on this machine';

const place = folder();
chmodSync(place, 0o711);
const at = (name: string): string => join(place, name);
const HUB = at('hub');
const OPERATOR = at('operator');
const DEMO = at('demo');
const KEY = at('author.key');
/** Both go to the last one, and each to one of the others. */
const [one, two, both] = ['192.0.2.10', '192.0.2.20', '192.0.2.30'] as const;
/** An emulated machine takes its time. Milliseconds. */
const PATIENCE = 300_000;

type Name = 'web-1' | 'web-2';
const HOSTS: readonly Name[] = ['web-1', 'web-2'];
const cgroupOf = (name: Name): string => cgroup(`/${name}`);

let hub: Running;
const running = new Map<Name, Running>();

/** Whether a host reaches an address: by bash, which needs nothing to be loaded. */
function reaches(name: Name, address: string): boolean {
  return inCgroup(cgroupOf(name), 'bash', '-c', `exec 3<>/dev/tcp/${address}/80`).status === 0;
}

function fleet(...args: string[]): Ended {
  return bouheki('fleet', ...args, '--operator', OPERATOR);
}

function begin(name: Name, ...command: string[]): Promise<Running> {
  const own = ['--cgroup', cgroupOf(name), '--db', at(`${name}.duckdb`), '--fleet-dir', at(name)];
  return Running.start(...command, ...own);
}

async function startHub(): Promise<void> {
  const ports = ['--listen', '127.0.0.1:8443', '--enroll-listen', '127.0.0.1:8444'];
  hub = Running.begin('hub', 'run', '--dir', HUB, '--demo', DEMO, ...ports);
  await hub.until(/^The hub listens at /m);
}

async function endAll(): Promise<void> {
  for (const [name, each] of running) {
    succeeded(await each.end('SIGINT'));
    running.delete(name);
  }
}

before(async () => {
  if (skip !== false) return;
  startNetwork();
  succeeded(bouheki('hub', 'init', '--dir', HUB, '--name', '127.0.0.1'));
  const { stdout } = succeeded(bouheki('fleet', 'author-key', KEY));
  mkdirSync(join(HUB, 'authors'), { recursive: true });
  writeFileSync(join(HUB, 'authors/author.pem'), stdout);
  succeeded(bouheki('hub', 'operator', 'anna', '--dir', HUB, '--into', OPERATOR));
  await startHub();
  const token = succeeded(
    bouheki('hub', 'token', '--dir', HUB, '--demo', DEMO, '--label', 'role=web', '--uses', '2'),
  ).stdout;
  writeFileSync(at('token'), token);
  succeeded(fleet('workload', 'set', 'web', '--select', 'role=web'));
  for (const name of HOSTS) {
    succeeded(bouheki('join', '--token-file', at('token'), '--dir', at(name), '--name', name));
  }
});
after(async () => {
  if (skip !== false) return;
  for (const each of running.values()) await each.end('SIGINT');
  await hub?.end('SIGINT');
  stopNetwork();
});

test('two hosts learn different halves, and the policy of both says who showed what', { skip }, async () => {
  for (const name of HOSTS) running.set(name, await begin(name, 'learn'));
  for (const [name, address] of [
    ['web-1', one],
    ['web-2', two],
  ] as const) {
    assert.ok(reaches(name, address));
    assert.ok(reaches(name, both));
  }
  const deadline = performance.now() + PATIENCE;
  const counted = ['--min-hosts', '1', '--min-hours', '0', '--evidence', 'full'];
  const asked = ['--fleet', '--workload', 'web', ...counted, '--operator', OPERATOR];
  let policy = '';
  while (!(policy.includes(one) && policy.includes(two) && policy.includes(both))) {
    if (performance.now() > deadline) throw new Error(policy + hub.stderr);
    await sleep(2000);
    const made = bouheki('generate', ...asked);
    policy = made.stdout + made.stderr;
  }
  await endAll();
  assert.match(policy, /^ {4}# 2 of 2 hosts, \d+ events in at least 1 hour, /m);
  assert.match(policy, /^ {4}# hosts by destination: 192\.0\.2\.10:80\/tcp 1, 192\.0\.2\.20:80\/tcp 1$/m);
});
