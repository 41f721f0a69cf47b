import type { Subject } from '../../../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';
import { Random } from '../../../unit/generator/random.ts';

const SECOND = 1_000_000;
const DAY = 86_400 * SECOND;
const START = 20_000 * DAY;
const LENGTH = 7 * DAY;

/** What several programs use: addresses, each with its name where it has one, and ports. */
interface Service {
  addresses: bigint[];
  nameOf?: (index: number) => string;
  ports: number[];
  protocol?: number;
}

/** `count` addresses from 2^32 / 256 * `first` on, spread over /24s of which each holds `near`. */
function spread(first: string, count: number, near: number): bigint[] {
  const [a, b, c] = first.split('.').map(BigInt) as [bigint, bigint, bigint];
  const base = (a << 24n) | (b << 16n) | (c << 8n);
  return Array.from({ length: count }, (_, index) => {
    const block = BigInt(Math.floor(index / near));
    return base + ((block * 37n) << 8n) + BigInt(((index % near) * 53 + 7 * Number(block)) % 256);
  });
}

const SERVICES = {
  resolver: { addresses: [0x0a000035n], ports: [53], protocol: 17 },
  clock: { addresses: spread('185.125.190', 4, 4), ports: [123], protocol: 17 },
  objects: {
    addresses: spread('52.216.0', 8, 2),
    nameOf: (index) => `bucket-${index % 4}.objects.example`,
    ports: [443],
  },
  content: {
    addresses: spread('151.101.0', 8, 3),
    nameOf: (index) => `c${index % 7}.content.example`,
    ports: [443, 80],
  },
  registry: { addresses: spread('44.205.64', 5, 1), nameOf: () => 'registry.example', ports: [443] },
  telemetry: {
    addresses: spread('34.120.3', 4, 1),
    nameOf: () => 'in.telemetry.example',
    ports: [443, 4317],
  },
  mirrors: {
    addresses: spread('91.189.91', 7, 2),
    nameOf: (index) => `m${index % 5}.mirror.example`,
    ports: [80],
  },
  code: {
    addresses: spread('140.82.112', 4, 4),
    nameOf: (index) => ['git.example', 'api.git.example'][index % 2]!,
    ports: [443, 22],
  },
  database: { addresses: spread('10.1.7', 5, 5), ports: [5432] },
  queue: { addresses: spread('10.1.8', 7, 7), ports: [5672, 6379] },
  peers: { addresses: spread('10.2.0', 9, 9), ports: [7946, 8300] },
} satisfies Record<string, Service>;

type ServiceName = keyof typeof SERVICES;

/** Programs that use the same services, each with its own habits. */
interface Kind {
  count: number;
  subject(index: number): Partial<Subject> & Pick<Subject, 'command'>;
  services: ServiceName[];
  /** Share of the addresses of a service that one program was seen at. */
  share: number;
}

const container = (name: string, image: string, uid: number) => (index: number) => ({
  command: name,
  exe: `/usr/bin/${name}`,
  uid: uid + index,
  inContainer: true,
  container: `${name}-${index}`,
  image: `${image}:${index}`,
});
const daemon = (name: string, uid: number) => (index: number) => ({
  command: `${name}-${index}`,
  exe: `/usr/lib/${name}/${name}-${index}`,
  uid: uid + index,
  unit: `${name}-${index}.service`,
});

const KINDS: readonly Kind[] = [
  {
    count: 12,
    subject: container('worker', 'jobs', 1000),
    services: ['resolver', 'objects', 'telemetry', 'database', 'queue'],
    share: 0.8,
  },
  {
    count: 10,
    subject: container('front', 'pages', 2000),
    services: ['resolver', 'content', 'telemetry', 'queue'],
    share: 0.9,
  },
  { count: 9, subject: daemon('backup', 34), services: ['resolver', 'clock', 'objects'], share: 0.7 },
  { count: 9, subject: daemon('update', 0), services: ['resolver', 'mirrors', 'registry'], share: 0.6 },
  {
    count: 8,
    subject: (index) => ({
      command: `tool-${index}`,
      exe: `/home/ada/bin/tool-${index}`,
      uid: 1000 + (index % 3),
    }),
    services: ['resolver', 'code', 'registry'],
    share: 0.6,
  },
  { count: 6, subject: daemon('mesh', 998), services: ['clock', 'peers', 'telemetry'], share: 1 },
  {
    count: 5,
    subject: (index) => ({ command: `agent-${index}`, exe: `/opt/agent/bin/agent-${index}`, uid: 0 }),
    services: ['resolver', 'telemetry', 'code'],
    share: 0.5,
  },
];

/** Programs with a great many destinations of their own. */
const LARGE: readonly { subject: Partial<Subject> & Pick<Subject, 'command'>; service: Service }[] = [
  {
    subject: { command: 'crawler', exe: '/usr/bin/crawler', uid: 997 },
    service: {
      addresses: spread('93.184.0', 590, 1),
      nameOf: (index) => `site-${index}.example`,
      ports: [443],
    },
  },
  {
    subject: { command: 'smtp', exe: '/usr/lib/postfix/smtp', uid: 101 },
    service: {
      addresses: spread('17.57.8', 190, 2),
      nameOf: (index) => `mx-${index}.example`,
      ports: [25],
    },
  },
  {
    subject: { command: 'lftp', exe: '/usr/bin/lftp', uid: 1000 },
    service: { addresses: [0xc3_88_10_2an], ports: [21] },
  },
];

/** Ports of passive transfers that were seen. */
const PASSIVE = { first: 50_000, count: 3000, seen: 181 };

/** Share of the public addresses, of each program, that no answer was seen for. */
const NAMELESS = 0.02;

/**
 * A week of a host with 62 programs: containers, daemons and tools that use the same services, each of them some of
 * their addresses, a crawler, a mail server, and transfers by passive FTP. `named`: addresses are known by names.
 * In the order of time.
 */
export function messyHost(named: boolean): RecordedObservation[] {
  const random = new Random(11);
  const events: RecordedObservation[] = [];
  for (const { count, services, share, subject } of KINDS) {
    for (let index = 0; index < count; index++) {
      const who = subjectOf(subject(index));
      for (const name of services) {
        const all: Service = SERVICES[name];
        const service = { ...all, ports: all.ports.filter((_, at) => at === 0 || random.next() < 0.5) };
        const [first] = service.addresses;
        // Of a cluster on its own network a program uses all.
        const own = service.nameOf === undefined;
        const some = service.addresses.filter((each) => own || each === first || random.next() < share);
        for (const address of some)
          events.push(
            ...visits({ who, service, address, fewest: random.next() < 0.02 ? 1 : 25, named }, random),
          );
      }
    }
  }
  for (const { service, subject } of LARGE) {
    const who = subjectOf(subject);
    for (const address of service.addresses)
      events.push(...visits({ who, service, address, fewest: 1, named }, random));
  }
  const lftp = LARGE.at(-1)!;
  for (let seen = 0; seen < PASSIVE.seen; seen++) {
    const service = { ...lftp.service, ports: [PASSIVE.first + random.below(PASSIVE.count)] };
    const [address] = service.addresses;
    const visit = { who: subjectOf(lftp.subject), service, address: address!, fewest: 1, named: false };
    events.push(...visits(visit, random).slice(0, 1));
  }
  return events.sort((a, b) => a.first - b.first);
}

function subjectOf(known: Partial<Subject> & Pick<Subject, 'command'>): Subject {
  return { uid: 0, gid: known.uid ?? 0, inContainer: false, ...known };
}

interface Visit {
  who: Subject;
  service: Service;
  address: bigint;
  /** Connections on each port at least. */
  fewest: number;
  named: boolean;
}

/** Connections of one program to one address. */
function visits({ address, fewest, named, service, who }: Visit, random: Random): RecordedObservation[] {
  const index = service.addresses.indexOf(address);
  const name = named && random.next() >= NAMELESS ? service.nameOf?.(index) : undefined;
  return service.ports.flatMap((port) =>
    Array.from({ length: fewest + Math.floor(40 * random.next() ** 2) }, (): RecordedObservation => {
      const time = START + Math.floor(LENGTH * random.next());
      return {
        subject: who,
        family: 4,
        address,
        port,
        protocol: service.protocol ?? 6,
        verdict: 'allow',
        monitored: false,
        ...(name !== undefined && { names: [name], known: { by: 'self' as const, age: 0 } }),
        count: 1,
        first: time,
        last: time,
        hours: 1,
        blocks: [],
      };
    }),
  );
}
