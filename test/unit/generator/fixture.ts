import assert from 'node:assert/strict';
import fc from '../../arbitrary/fast-check.ts';
import { generatePolicy, type GenerateInput, type GenerateOptions } from '../../../generator/generate.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import { printPolicy } from '../../../policy/file/print.ts';
import type { Policy } from '../../../policy/meaning/policy.ts';
import { SOCKET_KINDS } from '../../../policy/value/socket-kind.ts';
import type { Subject } from '../../../profiler/read/observation.ts';
import type { Activity, RecordedObservation } from '../../../profiler/read/read.ts';

/** 2026-11-21T00:00:00Z in microseconds. */
export const START = 1_795_219_200_000_000;
const HOUR = 3_600_000_000;

/** An observation of /usr/bin/curl as uid 1000 at 10.0.0.1:443 over TCP, with changes. */
export function observed(
  change: Partial<Omit<RecordedObservation, 'subject'>> & { subject?: Partial<Subject> } = {},
): RecordedObservation {
  return {
    family: 4,
    address: 0x0a000001n,
    port: 443,
    protocol: 6,
    verdict: 'allow',
    monitored: false,
    count: 1,
    first: START,
    last: START,
    hours: 1,
    blocks: [change.count ?? 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ...change,
    subject: {
      command: 'curl',
      exe: '/usr/bin/curl',
      uid: 1000,
      gid: 1000,
      inContainer: false,
      ...change.subject,
    },
  };
}

/** The policy that a text is; fails the test when it is none. */
export function policyOf(text: string): Policy {
  const { policy, problems } = parsePolicy(text, 'policy.yaml');
  assert.ok(policy, problems.map(({ line, message }) => `${line}: ${message}`).join('\n'));
  return policy;
}

/** What `attempt` gives; undefined when it fails for want of data. */
export function unlessNoData<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch (error) {
    if ((error as { code?: string }).code === 'no-data') return undefined;
    throw error;
  }
}

/** The hours from first to last event of every observation. */
export function activityOf(observations: readonly RecordedObservation[]): Activity[] {
  return observations.map(({ subject, verdict, first, last }) => ({
    subject,
    verdict,
    hours: [Math.floor(first / HOUR), Math.floor(last / HOUR)],
  }));
}

/** Of set-user-id programs, and of servers that work for one user after the other. */
const other = (id: number) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(0, id) },
  );
const others = { euid: other(33), fsuid: other(1000), egid: other(33), fsgid: other(1000) };

const host = fc.record({
  command: fc.constantFrom(
    'curl',
    'python3',
    'it is: a "name"',
    'a-name-longer-than-fifteen-bytes',
    'größe*',
  ),
  exe: fc.constantFrom(
    '/usr/bin/curl',
    '/usr/bin/python3',
    '/opt/with space/x',
    '/tmp/gone (deleted)',
    undefined,
  ),
  script: fc.constantFrom('/srv/app.py', 'relative.py', undefined),
  uid: fc.constantFrom(0, 1000, 4_294_967_294),
  gid: fc.constantFrom(0, 1000),
  ...others,
  inContainer: fc.constant(false),
});
const inside = {
  command: fc.constantFrom('nginx', 'sh'),
  exe: fc.constantFrom('/usr/sbin/nginx', '/usr/bin/python3', undefined),
  script: fc.constantFrom('/srv/app.py', undefined),
  uid: fc.constantFrom(0, 101),
  gid: fc.constant(0),
  ...others,
  inContainer: fc.constant(true),
};
const contained = fc.oneof(
  fc.record({
    ...inside,
    container: fc.constantFrom('web', 'db-1', '0123456789ab'),
    image: fc.constantFrom('nginx:1', undefined),
  }),
  // Of a runtime that is not known.
  fc.record({ ...inside, cgroup: fc.constantFrom('/boxes/one', '/boxes/two') }),
);
const subject = fc.oneof(host, contained).map((value): Subject => {
  const known = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(known) as unknown as Subject;
});

const metadata = [0xa9fea9fen, 0xfd00_0ec2_0000_0000_0000_0000_0000_0254n] as const;
const address = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.integer({ min: 0, max: 40 }).map((low) => [4, 0x0a000000n + BigInt(low)] as const),
  },
  {
    weight: 3,
    arbitrary: fc.integer({ min: 0, max: 9 }).map((low) => [6, (0xfd00n << 112n) + BigInt(low)] as const),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      [4, 0n] as const,
      [6, 0n] as const,
      [4, metadata[0]] as const,
      [6, metadata[1]] as const,
      [6, 0xffff_0a00_0001n] as const,
    ),
  },
);

type Place = Pick<RecordedObservation, 'family' | 'address' | 'port' | 'protocol' | 'socket'>;
const connection = fc
  .record({
    address,
    port: fc.constantFrom(0, 53, 80, 81, 82, 443, 65_535),
    protocol: fc.constantFrom(1, 6, 17, 33, 58, 132),
  })
  .map(({ address: [family, value], port, protocol }): Place => ({ family, address: value, port, protocol }));
const opening = fc
  .constantFrom(...SOCKET_KINDS)
  .map((socket): Place => ({ family: 4, address: 0n, port: 0, protocol: 0, socket }));

/** Observations of few subjects at few addresses, so that rules have something to merge and to confuse. */
export const observation: fc.Arbitrary<RecordedObservation> = fc
  .record({
    subject,
    place: fc.oneof({ weight: 10, arbitrary: connection }, { weight: 1, arbitrary: opening }),
    denied: fc.integer({ min: 0, max: 9 }).map((value) => value === 0),
    monitored: fc.boolean(),
    count: fc.integer({ min: 1, max: 5000 }),
    first: fc.integer({ min: 0, max: 100 }),
    length: fc.integer({ min: 0, max: 20 }),
  })
  .map((value) =>
    Object.assign({}, value.place, {
      subject: value.subject,
      verdict: value.denied ? ('deny' as const) : ('allow' as const),
      monitored: value.denied && value.monitored,
      count: value.count,
      first: START + value.first * HOUR,
      last: START + (value.first + value.length) * HOUR,
      hours: value.length + 1,
      blocks: Array.from({ length: 10 }, (_, block) =>
        Math.floor(value.first / 11) === block ? value.count : 0,
      ),
    }),
  );

/** Options of a plain run. */
export const OPTIONS: GenerateOptions = {
  mode: 'block',
  target: 'host',
  deny: [],
  allowLoss: false,
  includeDenied: false,
  version: '1.2.3',
};

/** A record of these observations, complete and of one recording. */
export function input(
  observations: readonly RecordedObservation[],
  change: Partial<GenerateInput> = {},
): GenerateInput {
  return {
    observations,
    activity: activityOf(observations),
    losses: [],
    recordings: 1,
    interrupted: 0,
    ...change,
  };
}

/** The policy that is generated, as text. */
export function print(
  observations: readonly RecordedObservation[],
  options: Partial<GenerateOptions> = {},
): string {
  return printPolicy(generatePolicy(input(observations), { ...OPTIONS, ...options }).document);
}
