import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import type { Answer } from 'dns-packet';
import { bootTime } from '../../../bpf/clock.ts';
import { Egress } from '../../../bpf/egress.ts';
import { Names } from '../../../bpf/name/names.ts';
import { applyPolicy } from '../../../enforcer/apply.ts';
import { NameVerdicts } from '../../../enforcer/name/name-verdicts.ts';
import { cgroupRoot } from '../../../host/cgroup-root.ts';
import { AccountNames } from '../../../profiler/identity/account.ts';
import { ContainerNames } from '../../../profiler/identity/container.ts';
import { CredentialTable } from '../../../profiler/identity/credential-table.ts';
import { ProcessTable } from '../../../profiler/identity/process-table.ts';
import { Resolvers } from '../../../profiler/name/resolvers.ts';
import { ResolverTable } from '../../../profiler/name/resolver-table.ts';
import { Recorder } from '../../../profiler/record/recorder.ts';
import { Written } from '../../unit/profiler/recorder-fixture.ts';
import { compileRules } from '../client/policy.ts';
import { NameClient } from '../name-client.ts';
import { prepareGuest } from './guest.ts';
import { NameServer } from './server.ts';

/** A resolver elsewhere: its address can be had by whoever may have one that is not the host's. */
export const FAR = 'fd00:53::1';
/** Of this host, on the way to the one above. */
export const OWN = 'fd00:53::9';
export const WANTED = '10.66.6.6';
/** Everybody may ask, and what is asked in the tests lies in here. */
const ASKING = `{ to: [{ cidr: [127.0.0.0/8, "::1", "${FAR}"], port: [53] }] }`;
export const WITHIN = 'cidr: [10.0.0.0/8, "fd00:7::/32"]';

/** What questions for names that begin with `raw` are answered with: once by each of the queue, then by the message. */
export const raw: { message: Buffer; queue: Buffer[] } = { message: Buffer.alloc(0), queue: [] };

let next = 0;
const given = new Map<string, string>();

/** Each name has an address of its own, given at the first question. */
export function addressOf(name: string): string {
  const address = given.get(name) ?? `10.${7 + (next >> 16)}.${(next >> 8) & 255}.${next++ & 255}`;
  given.set(name, address);
  return address;
}

/** By their first label: `manyN`, `viaN`, `ttlN`, `at-A-B-C-D`, `silent`. */
function zone(name: string, type: string): Answer[] | Buffer | undefined {
  const [first = ''] = name.split('.');
  if (first === 'raw') return raw.queue.shift() ?? raw.message;
  if (first === 'silent') return undefined;
  if (type === 'AAAA') return first === 'six' ? [{ type, name, data: 'fd00:7::6', ttl: 60 }] : [];
  const a = (data: string, ttl = 60): Answer => ({ type: 'A', name, data, ttl });
  const many = /^many(\d+)$/.exec(first)?.[1];
  // Whose addresses they are is not looked at, and a short name leaves room for all of them.
  if (many !== undefined)
    return Array.from({ length: Number(many) }, (_, at) => ({ ...a(`10.200.${many}.${at}`), name: '.' }));
  if (first === 'via')
    return [
      { type: 'CNAME', name, data: 'edge.test', ttl: 60 },
      { ...a(addressOf(name)), name: 'edge.test' },
    ];
  const ttl = /^ttl(\d+)/.exec(first)?.[1];
  if (ttl !== undefined) return [a(addressOf(name), Number(ttl))];
  if (first.startsWith('at-')) return [a(first.slice(3).replaceAll('-', '.'))];
  return [a(addressOf(name))];
}

/** What the tests go by: all of it is there before the first one. */
export const bed = {} as {
  egress: Egress;
  names: Names;
  recorder: Recorder;
  /** What it wrote. */
  written: Written;
  verdicts: NameVerdicts;
  table: ResolverTable;
  /** Of root, and of an ordinary user. */
  client: NameClient;
  user: NameClient;
};

/** By how much the daemon's clock is ahead of the kernel's, seconds: a guest that has just booted is younger than names get. */
export const clock = { ahead: 0 };

/** Seconds since boot. */
export function now(): number {
  return Number(bootTime()) / 1e9;
}

export function counted(counter: number): number {
  return bed.names.counters()[counter]!;
}

/** Allows what is asked for, these destinations and openings of these sockets, and puts it in force. */
export function allow(to: string, rest = '', sockets = ''): void {
  const opened = sockets && `, { sockets: [${sockets}] }`;
  const compiled = compileRules(`  allow: [${ASKING}, { name: named, to: [${to}] }${opened}]\n${rest}`);
  applyPolicy(bed.egress, compiled, {
    mode: 'block',
    target: 'host',
    record: true,
    cgroups: [],
    names: bed.verdicts,
  });
}

export async function reach(address: string, port = 80, who = bed.client): Promise<unknown> {
  bed.recorder.drain();
  return who.does('reach', [address, port]);
}

/** Asks for a name, and says whether its address can be reached in the next system call. */
export async function visit(name: string): Promise<unknown> {
  return bed.client.does('visit', [name]);
}

const server = new NameServer(zone, WANTED);
let restoreGuest: (() => void) | undefined;

before(async () => {
  restoreGuest = prepareGuest(['127.0.0.1', FAR], [`${OWN}/64`]);
  await server.listen('127.0.0.1');
  await server.listen('127.0.0.2');
  // The backend of one cgroup where that is named.
  const cgroup = process.env['BOUHEKI_CGROUP'];
  const egress = cgroup === undefined ? Egress.load() : Egress.load({ backend: 'cgroup', cgroup });
  const names = Names.load(cgroup ?? cgroupRoot(), egress.known);
  const written = new Written();
  const processes = new ProcessTable(written, new ContainerNames([]));
  const recorder = new Recorder(egress, written, processes, new CredentialTable(written, new AccountNames()));
  const resolvers = new Resolvers();
  const table = new ResolverTable(names.resolvers, resolvers);
  assert.deepEqual(table.unheld, []);
  const verdicts = new NameVerdicts(names, recorder.readNames(names, resolvers), () => now() + clock.ahead);
  const client = await NameClient.start();
  const user = await NameClient.start('setpriv', '--reuid=1000', '--regid=1000', '--clear-groups');
  Object.assign(bed, { egress, names, recorder, written, verdicts, table, client, user });
});

after(async () => {
  await server[Symbol.asyncDispose]();
  await bed.client?.[Symbol.asyncDispose]();
  await bed.user?.[Symbol.asyncDispose]();
  for (const part of [bed.verdicts, bed.names, bed.egress]) part?.[Symbol.dispose]();
  restoreGuest?.();
});
