/**
 * What hubs of a fleet cost while all of its agents are connected, and how long a policy is under way: 10,000 agents at two
 * hubs, the commands themselves, with a PostgreSQL of its own. `--agents N --workers N --spread SECONDS --rest SECONDS`. A
 * workload of 200 of them gets a policy that blocks: one host first, then all.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Engine, PlacementRow } from '../../fleet/engine/engine.ts';
import { openEngine } from '../../fleet/engine/open.ts';
import { readHubFiles, writeHubConfig } from '../../fleet/hub/files.ts';
import { freePorts, makeTestHub, removeTestHub, until } from '../unit/fleet/fixture/hub.ts';
import { manyHosts } from '../unit/fleet/fixture/many-hosts.ts';
import { postgresMissing, startPostgres, type TestServer } from '../unit/fleet/fixture/postgres.ts';
import { cpuOf, cpuOfServer } from './cpu.ts';
import type { StreamAgents } from './fleet/stream-agents.ts';

const MAIN = join(import.meta.dirname, '../../bundle/main.js');
const AGENTS = join(import.meta.dirname, 'fleet/stream-agents.js');
/** Hosts of the workload that gets a policy. */
const WORKLOAD = 200;
const HUBS = 2;
/** What must hold: seconds from `fleet publish` to the canary's confirmation, and bytes of a hub at rest. */
const MOST_SECONDS = 5;
const MOST_BYTES = 1.5e9;
/** The longest wait for anything, milliseconds. */
const PATIENCE = 1_800_000;
const POLICY = `version: 2
network:
  mode: block
  target: host
  allow:
    - to:
        - cidr: [192.0.2.0/24, 127.0.0.0/8]
`;
const PLAN = {
  stages: [
    { name: 'canary', hosts: '0.1%', mode: 'block', soak: '1s' },
    { name: 'all', hosts: 'all', mode: 'block', soak: '1s' },
  ],
};

const { values } = parseArgs({
  options: {
    agents: { type: 'string', default: '10000' },
    workers: { type: 'string', default: '8' },
    spread: { type: 'string', default: '240' },
    rest: { type: 'string', default: '60' },
  },
});
const [agents, workers, spread, rest] = [values.agents, values.workers, values.spread, values.rest].map(
  Number,
) as [number, number, number, number];

if (postgresMissing !== false) {
  process.stdout.write(`${postgresMissing}\n`);
  process.exitCode = 1;
} else {
  const server = await startPostgres({ shared_buffers: '256MB', max_wal_size: '1GB' });
  const engine = await openEngine([server.url]);
  const place = mkdtempSync(join(tmpdir(), 'bouheki-bench-'));
  const directory = await makeTestHub();
  const children: ChildProcess[] = [];
  try {
    process.exitCode = (await bench({ server, engine, place, directory, children })) ? 0 : 1;
  } finally {
    await Promise.all(children.map(async (child) => await endOf(child)));
    await engine.close();
    await server.remove();
    removeTestHub(directory);
    rmSync(place, { recursive: true, force: true });
  }
}

interface Bed {
  server: TestServer;
  engine: Engine;
  /** For what agents, author and operator have. */
  place: string;
  /** Of the hubs: two of them have the same files. */
  directory: string;
  children: ChildProcess[];
}

async function bench(bed: Bed): Promise<boolean> {
  const { server } = bed;
  const hubs = await startHubs(bed);
  const pids = hubs.map((hub) => hub.pid!);
  let began = performance.now();
  const web = await manyHosts(bed, 'web', WORKLOAD);
  const others = await manyHosts(bed, 'other', agents - WORKLOAD);
  say(`${agents} hosts, enrolled in the engine`, began);

  began = performance.now();
  const before = costOf(pids, server);
  const connected = startAgents(bed, [...web, ...others]);
  await until(() => connected() >= agents, `${agents} streams`, PATIENCE);
  say(`${agents} streams, begun over ${spread} s`, began);
  print('to connect', since(before, costOf(pids, server)));

  await sleep(rest * 1000);
  const idle = costOf(pids, server);
  began = performance.now();
  await sleep(rest * 1000);
  const seconds = (performance.now() - began) / 1000;
  print(`at rest, ${seconds.toFixed(0)} s`, since(idle, costOf(pids, server)));
  const bytes = pids.map(residentBytes);
  process.stdout.write(
    `resident, each hub: ${bytes.map((each) => `${Math.round(each / 1e6)} MB`).join(', ')}\n`,
  );

  const times = await publish(bed);
  process.stdout.write(
    [
      `publish: the command ${times.command.toFixed(1)} s; from its start until the canary has confirmed`,
      ` ${times.canary.toFixed(1)} s, until all ${WORKLOAD} have ${times.all.toFixed(1)} s\n`,
      `connected at the end: ${connected()} of ${agents}\n`,
    ].join(''),
  );
  return times.canary < MOST_SECONDS && Math.max(...bytes) < MOST_BYTES && connected() === agents;
}

async function startHubs({ children, directory, place, server }: Bed): Promise<ChildProcess[]> {
  const ports = await freePorts(2 * HUBS);
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  const [hub, enroll] = [addresses.slice(0, HUBS), addresses.slice(HUBS)];
  const { config } = readHubFiles(directory);
  writeHubConfig(directory, { ...config, hub, enroll });
  const author = bouheki('fleet', 'author-key', join(place, 'author.key'));
  writeFileSync(join(directory, 'authors/author.pem'), author);
  bouheki('hub', 'operator', 'anna', '--dir', directory, '--into', join(place, 'operator'));
  const started = hub.map((address, at) => {
    const listen = ['--listen', address, '--enroll-listen', enroll[at]!];
    const words = ['hub', 'run', '--dir', directory, '--store', server.url, ...listen];
    return spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  });
  children.push(...started);
  for (const each of started) {
    let said = '';
    each.stderr.on('data', (part: Buffer) => (said += part.toString()));
    await until(() => said.includes('The hub listens'), `hub: ${said}`);
  }
  return started;
}

/** Begins the agents, in several processes. Returns how to ask how many of them have their stream now. */
function startAgents(
  { children, directory, place }: Bed,
  hosts: Awaited<ReturnType<typeof manyHosts>>,
): () => number {
  const { authorKeys, config, placementKey, trustPem } = readHubFiles(directory);
  const connected = Array.from({ length: workers }, () => 0);
  for (let worker = 0; worker < workers; worker++) {
    const folder = join(place, `agents-${worker}`);
    mkdirSync(folder);
    const given: StreamAgents = {
      directory: folder,
      spread: spread * 1000,
      hub: config.hub,
      trust: trustPem,
      authorKeys: authorKeys.map((key) => key.toString('base64')),
      hubKey: publicOf(placementKey),
      hosts: hosts.flatMap(({ id, tls }, at) =>
        at % workers === worker ? [{ id, certificate: tls.certificate!, key: tls.key! }] : [],
      ),
    };
    const file = join(place, `agents-${worker}.json`);
    writeFileSync(file, JSON.stringify(given), { mode: 0o600 });
    const child = spawn(process.execPath, [AGENTS, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.on('data', (part: Buffer) => {
      connected[worker] = Number(part.toString().trim().split('\n').at(-1));
    });
    children.push(child);
  }
  return () => connected.reduce((sum, each) => sum + each, 0);
}

/** Seconds from the start of `fleet publish` to its end, to the confirmation of the first host, and to that of all. */
async function publish({ engine, place }: Bed): Promise<{ command: number; canary: number; all: number }> {
  const [policy, plan] = [join(place, 'policy.yaml'), join(place, 'plan.json')];
  writeFileSync(policy, POLICY);
  writeFileSync(plan, JSON.stringify(PLAN));
  const asked = ['--workload', 'web', '--key', join(place, 'author.key'), '--mode', 'block', '--plan', plan];
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  const child = spawn(
    process.execPath,
    [MAIN, 'fleet', 'publish', policy, ...asked, '--operator', join(place, 'operator')],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const command = ended.then((status) => {
    if (status !== 0) throw new Error(`fleet publish ended with ${status}`);
    return seconds();
  });
  const confirmed = async (count: number): Promise<number> => {
    await until(
      async () => (await placed(engine)).filter(isConfirmed).length >= count,
      'confirmation',
      PATIENCE,
    );
    return seconds();
  };
  const [spent, canary] = await Promise.all([command, confirmed(1)]);
  return { command: spent, canary, all: await confirmed(WORKLOAD) };
}

async function placed(engine: Engine): Promise<PlacementRow[]> {
  const [release] = await engine.releases('web');
  return release === undefined ? [] : await engine.placements(release.id);
}

function isConfirmed({ state }: PlacementRow): boolean {
  return state === 'confirmed';
}

/** Seconds of CPU: of each hub, and of PostgreSQL. */
type Cost = number[];

function costOf(hubs: readonly number[], server: TestServer): Cost {
  return [...hubs.map((pid) => cpuOf(pid)), cpuOfServer(server)];
}

function since(before: Cost, now: Cost): Cost {
  return now.map((each, at) => each - before[at]!);
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

/** SPKI DER of the public half, base64. */
function publicOf(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64');
}

function bouheki(...args: string[]): string {
  return execFileSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await Promise.race([ended, sleep(30_000)]);
  child.kill('SIGKILL');
}

function say(what: string, began: number): void {
  process.stdout.write(`${what}: ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
}

function print(what: string, cost: Cost): void {
  const [engine, ...hubs] = cost.toReversed();
  const each = hubs.toReversed().map((seconds) => seconds.toFixed(1));
  process.stdout.write(
    `${what}: CPU ${each.join(' and ')} s of the hubs, ${engine!.toFixed(1)} s of PostgreSQL\n`,
  );
}
