import fc from './fast-check.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { actionOf } from '../../policy/meaning/mode.ts';
import type { Action, From, Policy } from '../../policy/meaning/policy.ts';
import { matchesPath } from '../../policy/value/name.ts';
import { SOCKET_KINDS } from '../../policy/value/socket-kind.ts';
import { ENDS, WORLD, type World } from './world.ts';

/** A policy, and the text that it was read from. */
export interface WrittenPolicy {
  text: string;
  policy: Policy;
}

/** Random policies of both versions and all layouts, as a user would write them, read by `parsePolicy`. */
export function writtenPolicy(world: World = WORLD): fc.Arbitrary<WrittenPolicy> {
  const network = fc.oneof(
    {
      weight: 5,
      arbitrary: fc
        .tuple(rules(world), seldom(names(world), 3))
        .map(([network, names]) => ({ version: 2, names, network })),
    },
    { weight: 1, arbitrary: flatWithSockets(world).map((network) => ({ version: 2, network })) },
    { weight: 2, arbitrary: legacy(world).map((network) => ({ network })) },
  );
  return network
    .map((document) => {
      // JSON is YAML; what is undefined is not written.
      const text = JSON.stringify(document);
      return { text, policy: parsePolicy(text, 'policy.yaml').policy };
    })
    .filter((written): written is WrittenPolicy => written.policy !== undefined);
}

const mode = fc.constantFrom('monitor', 'block');
const target = fc.constantFrom('host', 'host', 'container');

function some<T>(values: readonly T[], maxLength = 3): fc.Arbitrary<T[]> {
  return fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength });
}

/** Absent but for one time in `times`: a rule that names every dimension meets nothing. */
function seldom<T>(arbitrary: fc.Arbitrary<T>, times: number): fc.Arbitrary<T | undefined> {
  return fc.oneof(
    { weight: times - 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: arbitrary as fc.Arbitrary<T | undefined> },
  );
}

function names({ namePatterns }: World): fc.Arbitrary<object | undefined> {
  if (namePatterns.length === 0) return fc.constant(undefined);
  return fc.record({
    resolvers: fc.constantFrom(undefined, ['auto'], ['127.0.0.53', 'auto', '2a00::53']),
    keep: seldom(keep, 2),
    hosts: fc.constantFrom(undefined, true, false),
  });
}

function rules(world: World): fc.Arbitrary<object> {
  const rule = (action: Action) =>
    fc.record({
      name: seldom(fc.constantFrom('one', 'two'), 3),
      from: from(world, action),
      to: to(world, action),
      sockets: seldom(some(SOCKET_KINDS), 4),
      until: action === 'allow' ? seldom(fc.constantFrom(...ENDS), 3) : fc.constant(undefined),
    });
  return fc.record({
    mode,
    modes: seldom(modes(world), 2),
    target,
    deny: fc.array(rule('deny'), { maxLength: 3 }),
    allow: fc.array(rule('allow'), { maxLength: 6 }),
  });
}

function modes(world: World): fc.Arbitrary<object[]> {
  const entry = fc.constantFrom('monitor' as const, 'block' as const).chain((mode) =>
    fc.record({
      name: seldom(fc.constantFrom('one', 'two'), 3),
      from: from(world, actionOf({ mode })),
      mode: fc.constant(mode),
    }),
  );
  return fc.array(entry, { minLength: 1, maxLength: 3 });
}

/** A path in the place of each pattern. */
function plain(paths: string[] | undefined, all: readonly string[]): string[] | undefined {
  return paths?.map((path) => all.find((each) => matchesPath(path, each)) ?? all[0]!);
}

function from(world: World, action: Action): fc.Arbitrary<object> {
  const any = fc.record({
    command: seldom(some(world.commandPatterns), 3),
    exe: seldom(some(world.exePatterns, 2), 3),
    script: seldom(some(world.scriptPatterns, 2), 5),
    uid: seldom(some(world.ids), 4),
    user: seldom(some(world.accounts), 6),
    gid: seldom(some(world.ids), 6),
    group: seldom(some(world.accounts), 8),
    container: seldom(some(world.containerPatterns, 2), 4),
    image: seldom(some(world.imagePatterns, 2), 8),
    unit: seldom(some(world.unitPatterns, 2), 8),
    cgroup: seldom(some(world.cgroupPatterns, 2), 8),
    host: world.hosts.length > 0 ? seldom(some(world.hosts, 2), 8) : fc.constant(undefined),
  } satisfies Record<keyof From, fc.Arbitrary<unknown>>);
  // A rule names ids in one way, and patterns where they mean files of the host.
  return any.map((value) => {
    const inside = (value.container ?? value.image) !== undefined;
    if (inside) value.exe = plain(value.exe, world.exes);
    if (inside || action === 'deny') value.script = plain(value.script, world.scripts);
    if (value.user !== undefined) value.uid = undefined;
    if (value.group !== undefined) value.gid = undefined;
    return value;
  });
}

/** `keep` of destinations, and of policies. */
const keep = fc.constantFrom('0s', '30m', '1h', '1d', 'forever');

function to(world: World, action: Action): fc.Arbitrary<object[] | undefined> {
  const named = action === 'allow' && world.namePatterns.length > 0;
  const entry = fc
    .record({
      name: named ? seldom(some(world.namePatterns), 3) : fc.constant(undefined),
      keep: seldom(keep, 2),
      cidr: fc.option(some(world.cidrs), { nil: undefined }),
      except: seldom(some(world.cidrs, 2), 3),
      port: fc.option(some(world.portEntries), { nil: undefined }),
      protocol: fc.option(some(world.protocolEntries), { nil: undefined }),
    })
    .map((value) => {
      if (!value.cidr) value.except = undefined;
      if (!value.name) value.keep = undefined;
      return value;
    });
  return fc.option(fc.array(entry, { minLength: 1, maxLength: 3 }), { nil: undefined });
}

function lists<T>(values: readonly T[]): fc.Arbitrary<object | undefined> {
  return fc.option(
    fc.record({ allow: fc.option(some(values), { nil: undefined }), deny: seldom(some(values), 3) }),
    {
      nil: undefined,
    },
  );
}

/** At least one key, by which the layout is known. */
function flat(world: World, commands: readonly string[]): fc.Arbitrary<{ cidr: object }> {
  return fc.record({
    mode,
    target,
    cidr: fc.record({
      allow: fc.option(some(world.cidrs, 5), { nil: undefined }),
      deny: seldom(some(world.cidrs), 2),
    }),
    command: lists(commands),
    uid: lists(world.ids),
    gid: seldom(lists(world.ids), 2),
  });
}

/** The flat layout of version 2 also has sockets. */
function flatWithSockets(world: World): fc.Arbitrary<object> {
  return fc
    .tuple(flat(world, world.commandPatterns), seldom(some(SOCKET_KINDS), 2))
    .map(([network, sockets]) => Object.assign(network, { sockets }));
}

/** Version 1: as the flat layout, with its own older spelling of the addresses and no globs. */
function legacy(world: World): fc.Arbitrary<object> {
  const commands = world.commandPatterns.filter((pattern) => !pattern.endsWith('*'));
  const network = flat(world, commands);
  return fc.oneof(
    network,
    network.map(({ cidr, ...rest }) => Object.assign(rest, cidr)),
  );
}
