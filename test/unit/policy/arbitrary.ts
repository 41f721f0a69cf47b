import fc from '../../arbitrary/fast-check.ts';
import type { Address } from '../../../policy/value/address.ts';
import type { Prefix } from '../../../policy/value/cidr.ts';
import { hasPorts } from '../../../policy/value/protocol.ts';
import type {
  AccountTable,
  Box,
  Flow,
  From,
  NameOptions,
  OnExit,
  Policy,
  To,
} from '../../../policy/meaning/policy.ts';
import { SOCKET_KINDS } from '../../../policy/value/socket-kind.ts';

/** Generators of small worlds, in which random policies and flows meet often. */

const NAMES = ['a', 'ab', 'abc', 'b*', 'a*', 'curl', 'wget', 'a-very-long-command', 'ä', '*'];
const GLOBS = ['a', 'ab', 'a*', '*b', 'a*b', '*', 'web-*', 'é*'];
const PATTERNS = ['/a', '/b', '/usr/bin/curl', '/usr/bin/*', '/usr/*/python*', '/*', '/*/bin/c*l'];
const PATHS = ['/a', '/b', '/usr/bin/curl', '/usr/bin/python3.11'];
const TEXTS = ['a', 'ab', 'axb', 'b', 'web-1', 'éa'];
const ACCOUNTS = ['root', 'ada', 'domain users', 'DOMAIN\\ada', 'zoë'];
const HOSTS = ['a.example', '*.a.example', 'b.a.example', '*.example', '*', 'x_y.example'];
const KEEPS = [0, 60, 3600, 86_400, 604_800, Infinity];
const IDS = [0, 1, 1000, 4_294_967_295];

export const address: fc.Arbitrary<Address> = fc.oneof(
  fc
    .constantFrom(0n, 1n, 0x0a000000n, 0x0a000001n, 0x0a0000ffn, 0x7f000001n, 0x01010101n, 0xffffffffn)
    .map((value) => ({ family: 4 as const, value })),
  fc
    .constantFrom(0n, 1n, 0xfd00n << 112n, (0xfd00n << 112n) | 1n, (1n << 128n) - 1n)
    .map((value) => ({ family: 6 as const, value })),
  fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }).map((value) => ({ family: 4 as const, value })),
  fc
    .bigInt({ min: 0n, max: (1n << 128n) - 1n })
    .filter((value) => value >> 32n !== 0xffffn)
    .map((value) => ({ family: 6 as const, value })),
);

export const prefix: fc.Arbitrary<Prefix> = fc
  .tuple(address, fc.nat({ max: 128 }))
  .map(([{ family, value }, seed]) => {
    const bits = family === 4 ? 32 : 128;
    const length = seed % (bits + 1);
    const host = BigInt(bits - length);
    return { family, value: (value >> host) << host, length };
  })
  // `::ffff:0:0/96` and what is inside is IPv4.
  .filter(({ family, value, length }) => family === 4 || length < 96 || value >> 32n !== 0xffffn);

const some = <T>(values: readonly T[]) =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });

const from: fc.Arbitrary<From> = fc.record(
  {
    command: some(NAMES),
    exe: some(PATTERNS),
    script: some(PATTERNS),
    uid: some(IDS),
    user: some(ACCOUNTS),
    gid: some(IDS),
    group: some(ACCOUNTS),
    container: some(GLOBS),
    image: some(GLOBS),
    unit: some(GLOBS),
    cgroup: some(['/', '/a', '/a*', '/*b']),
  },
  { requiredKeys: [], noNullPrototype: true },
);

const to: fc.Arbitrary<To> = fc
  .record(
    {
      prefixes: fc.array(prefix, { minLength: 1, maxLength: 3 }),
      ports: fc.array(
        fc
          .tuple(fc.constantFrom(0, 22, 80, 443), fc.constantFrom(0, 10, 65_092))
          .map(([first, more]) => ({ first, last: Math.min(first + more, 65_535) })),
        { minLength: 1, maxLength: 3 },
      ),
      protocols: some([1, 6, 17, 33, 58, 132, 136, 255]),
    },
    { requiredKeys: [], noNullPrototype: true },
  )
  .filter(
    ({ ports, protocols }) =>
      !ports || !protocols || protocols.some((each) => each !== 1 && each !== 58 && each !== 255),
  );

/** Names, in an allow alone; a parsed policy has `keep` beside them, and nowhere else. */
const named: fc.Arbitrary<Pick<To, 'names' | 'keep'>> = fc.record({
  names: some(HOSTS),
  keep: fc.constantFrom(...KEEPS),
});

const sockets = some(SOCKET_KINDS);

/** Sparse: a box with every dimension named matches next to nothing. */
const sparse = <T extends object>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc
    .tuple(arbitrary, fc.array(fc.boolean(), { minLength: 11, maxLength: 11 }), fc.boolean())
    .map(([value, keep, also]) => {
      const entries = Object.entries(value).filter((_, index) => keep[index] && (also || index % 2 === 0));
      return Object.fromEntries(entries) as T;
    });

/** Paths without patterns where those are refused. */
function plain(paths: string[] | undefined, refused: boolean): string[] | undefined {
  return refused ? paths?.map((path) => path.replaceAll('*', 'x')) : paths;
}

/** A rule names ids by number or by name, and patterns of files only where they are files of the host. */
function accepted(action: Box['action'], { gid, group, uid, user, ...rest }: From): From {
  const inside = (rest.container ?? rest.image) !== undefined;
  const exe = plain(rest.exe, inside);
  const script = plain(rest.script, inside || action === 'deny');
  return {
    ...rest,
    ...(exe && { exe: [...new Set(exe)] }),
    ...(script && { script: [...new Set(script)] }),
    ...(user ? { user } : uid && { uid }),
    ...(group ? { group } : gid && { gid }),
  };
}

const box = (action: Box['action']): fc.Arbitrary<Box> =>
  fc.record(
    {
      action: fc.constant(action),
      name: fc.constantFrom('one', 'two', 'rule three', 'no', '7', 'a: b', '# c'),
      from: sparse(from).map((each) => accepted(action, each)),
      to: fc.oneof(
        { weight: 4, arbitrary: sparse(to) },
        ...(action === 'allow'
          ? [
              {
                weight: 2,
                arbitrary: fc.tuple(sparse(to), named).map(([rest, names]): To => Object.assign(rest, names)),
              },
            ]
          : []),
        { weight: 1, arbitrary: sockets.map((kinds): To => ({ sockets: kinds })) },
      ),
    },
    { noNullPrototype: true },
  );

/** As a parsed policy is, which has no key without a value. */
function withoutAbsent({
  names,
  onExit,
  ...rest
}: Omit<Policy, 'names' | 'onExit'> & {
  names: NameOptions | undefined;
  onExit: OnExit | undefined;
}): Policy {
  return { ...rest, ...(onExit && { onExit }), ...(names && { names }) };
}

const nameOptions: fc.Arbitrary<NameOptions> = fc.record(
  {
    resolvers: fc.constantFrom(
      ['auto' as const],
      [{ family: 4 as const, value: 0x7f000035n }, 'auto' as const],
    ),
    keep: fc.constantFrom(...KEEPS),
    hosts: fc.boolean(),
  },
  { noNullPrototype: true },
);

export const policy: fc.Arbitrary<Policy> = fc
  .record({
    mode: fc.constantFrom('monitor' as const, 'block' as const),
    target: fc.constantFrom('host' as const, 'container' as const),
    onExit: fc.option(fc.constantFrom('release' as const, 'keep' as const), { nil: undefined }),
    deny: fc.array(box('deny'), { maxLength: 4 }),
    allow: fc.array(box('allow'), { maxLength: 6 }),
    names: fc.option(nameOptions, { nil: undefined }),
    log: fc.record({
      format: fc.constantFrom('json' as const, 'text' as const),
      level: fc.constantFrom('debug' as const, 'info' as const, 'warn' as const, 'error' as const),
      labels: fc.dictionary(
        fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' }).filter((key) => key !== '__proto__'),
        fc.string({ maxLength: 8, unit: 'grapheme' }),
      ),
    }),
  })
  .map(({ mode, target, onExit, deny, allow, log, names }) => ({
    version: 2 as const,
    mode,
    target,
    onExit,
    boxes: [...deny, ...allow],
    names,
    log: { ...log, labels: { ...log.labels } },
  }))
  .map(withoutAbsent);

/** Ids have a name, several, or none. */
const NAMES_OF: ReadonlyMap<number, readonly string[]> = new Map([
  [0, ['root']],
  [1, ['ada', 'domain users']],
  [1000, ['zoë']],
]);
const CALLED: AccountTable = { namesOf: (_, id) => NAMES_OF.get(id) ?? [] };

export const flow: fc.Arbitrary<Flow> = fc
  .record(
    {
      command: fc.constantFrom(
        'a',
        'ab',
        'abc',
        'b',
        'curl',
        'wget',
        'a-very-long-com',
        'a-very-long-command',
        'ä',
      ),
      exe: fc.constantFrom(...PATHS),
      script: fc.constantFrom(...PATHS),
      uid: fc.constantFrom(...IDS),
      euid: fc.constantFrom(...IDS),
      gid: fc.constantFrom(...IDS),
      egid: fc.constantFrom(...IDS),
      container: fc.constantFrom(...TEXTS),
      image: fc.constantFrom(...TEXTS),
      unit: fc.constantFrom(...TEXTS),
      cgroup: fc.constantFrom('/', '/a', '/ab', '/axb'),
      inContainer: fc.boolean(),
      address,
      port: fc.constantFrom(0, 22, 80, 85, 443, 65_535),
      protocol: fc.constantFrom(1, 6, 6, 6, 17, 33, 58, 132, 136, 255),
      socket: fc.constantFrom(...SOCKET_KINDS),
      names: fc.array(
        fc.record({
          name: fc.constantFrom('a.example', 'b.a.example', 'c.b.a.example', 'other'),
          age: fc.constantFrom(-1, 0, 61, 3600, 3601, 1_000_000),
        }),
        { maxLength: 3 },
      ),
    },
    {
      requiredKeys: ['command', 'uid', 'euid', 'gid', 'egid', 'inContainer', 'address', 'port', 'protocol'],
      noNullPrototype: true,
    },
  )
  .map(withoutStrayPort)
  .map((each) => Object.assign(each, { accounts: CALLED }));

function withoutStrayPort(each: Flow): Flow {
  if (!hasPorts(each.protocol)) each.port = 0;
  return each;
}
