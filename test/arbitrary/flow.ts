import fc from './fast-check.ts';
import { parseAddress } from '../../policy/value/address.ts';
import { type HostIdentity, hostTexts } from '../../policy/meaning/host.ts';
import type { AccountTable, Flow } from '../../policy/meaning/policy.ts';
import { hasPorts } from '../../policy/value/protocol.ts';
import { SOCKET_KINDS } from '../../policy/value/socket-kind.ts';
import { MOMENTS, WORLD, type World } from './world.ts';

/** A connection of a plain program, of which it is not known when it is made. */
export const PLAIN: Flow = {
  command: 'curl',
  exe: '/usr/bin/curl',
  uid: 1000,
  euid: 1000,
  gid: 0,
  egid: 0,
  inContainer: false,
  address: parseAddress('10.0.0.1')!,
  port: 443,
  protocol: 6,
};

/** Hosts with some of the names and labels of the world, and one with none. */
export const HOSTS: readonly HostIdentity[] = [
  { id: 'h1', name: 'web-1', labels: { role: 'web', zone: 'a' } },
  { id: 'h2', name: 'web-2', labels: { role: 'web', zone: 'b' } },
  { id: 'h3', name: 'db-1', labels: { role: 'db' } },
];

/** What the ids of a world are called. */
export function accountTable({ idsOfAccounts }: World): AccountTable {
  return { namesOf: (_, id) => [...idsOfAccounts].flatMap(([name, each]) => (each === id ? [name] : [])) };
}

/** Random connections of a world's processes, set-user-id ones among them. An absent executable is one not known. */
export function flow(world: World = WORLD): fc.Arbitrary<Flow> {
  const id = fc.constantFrom(...world.ids);
  const ids = fc
    .tuple(id, id, fc.nat({ max: 3 }))
    .map(([real, other, often]) => [real, often > 0 ? real : other] as const);
  // Without privileges a process can only take one of its own.
  const third = fc.constantFrom('real', 'effective', 'effective', 'effective', 'saved');
  const groups = fc.oneof(
    { weight: 6, arbitrary: fc.constant(undefined) },
    { weight: 3, arbitrary: fc.uniqueArray(id, { maxLength: 3 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(64, 65).map((count) => Array.from({ length: count }, (_, at) => 5000 + at)),
    },
  );
  const accounts = accountTable(world);
  const age = fc.constantFrom(-60, 0, 1, 1800, 3600, 3601, 86_400, 604_800, 604_801);
  const names = fc.array(fc.record({ name: fc.constantFrom('', ...world.names), age }), {
    maxLength: world.names.length > 0 ? 3 : 0,
  });
  return fc
    .record({
      command: fc.constantFrom(...world.commands),
      exe: fc.option(fc.constantFrom(...world.exes), { nil: undefined, freq: 6 }),
      script: fc.constantFrom(undefined, ...world.scripts),
      uid: ids,
      gid: ids,
      fsuid: third,
      fsgid: third,
      groups,
      place: fc.constantFrom(...world.places),
      address: fc.constantFrom(...world.addresses),
      names,
      port: fc.constantFrom(...world.ports),
      protocol: fc.constantFrom(...world.protocols),
      at: fc.constantFrom(...MOMENTS),
      host: fc.constantFrom(undefined, ...HOSTS),
    })
    .map(({ exe, script, uid, gid, fsuid, fsgid, groups: others, place, address, names, host, ...rest }) => {
      const flow: Flow = Object.assign(rest, place, {
        uid: uid[0],
        euid: uid[1],
        gid: gid[0],
        egid: gid[1],
        address: parseAddress(address)!,
        accounts,
      });
      if (fsuid !== 'effective') flow.fsuid = fsuid === 'real' ? uid[0] : 0;
      if (fsgid !== 'effective') flow.fsgid = fsgid === 'real' ? gid[0] : 0;
      if (others) flow.groups = others;
      if (host) flow.host = hostTexts(host);
      if (names.length > 0) flow.names = names;
      if (exe !== undefined) flow.exe = exe;
      if (exe !== undefined && script !== undefined) flow.script = script;
      if (!hasPorts(flow.protocol)) flow.port = 0;
      return flow;
    });
}

/** Random flows of which nothing leaves yet: a connect() of a socket without connections. */
export function intent(world: World = WORLD): fc.Arbitrary<Flow> {
  return flow(world).map((each) => Object.assign(each, { intent: true }));
}

/** Random openings of sockets by a world's processes; the destinations in them say nothing. */
export function opening(world: World = WORLD): fc.Arbitrary<Flow> {
  return fc
    .tuple(flow(world), fc.constantFrom(...SOCKET_KINDS))
    .map(([each, socket]) => Object.assign(each, { socket }));
}
