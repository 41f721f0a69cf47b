import { parseAddress } from '../../../../policy/value/address.ts';
import type { Subject } from '../../../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';
import { Random } from '../../../unit/generator/random.ts';

const SECOND = 1_000_000;
const DAY = 86_400 * SECOND;
const START = 20_000 * DAY;
const LENGTH = 7 * DAY;

/** Names that replicas of a service ask for, and how its traffic goes to them. */
interface Service {
  image: string;
  replicas: number;
  names: number;
  /** Addresses that one name can have at any time of the week. */
  pool: number;
  /** Addresses in one answer. */
  shown: number;
  /** Of an answer, seconds. */
  ttl: number;
  /** Events of each replica in the week. */
  events: number;
}

const SERVICES: readonly Service[] = [
  { image: 'web:1', replicas: 4, names: 6, pool: 512, shown: 4, ttl: 60, events: 4000 },
  { image: 'worker:1', replicas: 6, names: 3, pool: 256, shown: 8, ttl: 300, events: 2000 },
  { image: 'mirror:1', replicas: 1, names: 12, pool: 128, shown: 2, ttl: 20, events: 6000 },
  { image: 'agent:1', replicas: 3, names: 2, pool: 64, shown: 4, ttl: 30, events: 3000 },
];

/** Share of the connections that go to an address whose answer has ended: pools of connections that are filled again. */
const LATE = 0.05;
/** How long after that on the average, seconds. */
const LATENESS = 600;
/** A replica is made anew, with another name, so often. */
const LIFE = 2 * DAY;

/**
 * A week of services behind content delivery networks: the addresses of each name change with every answer, within a
 * pool that moves slowly. Busy names are asked for most. `remade`: replicas are made anew, with another name.
 */
export function contentDeliveryWeek(remade: boolean): RecordedObservation[] {
  const random = new Random(7);
  const events = SERVICES.flatMap((service, at) =>
    Array.from({ length: service.replicas }, (_, replica) =>
      Array.from({ length: service.events }, () => {
        const time = START + Math.floor(LENGTH * random.next());
        return eventOf(service, at, replicaAt(service, replica, remade ? time : START), time, random);
      }),
    ).flat(),
  );
  return events.sort((a, b) => a.first - b.first);
}

function replicaAt({ image }: Service, replica: number, time: number): string {
  const life = Math.floor((time - START) / LIFE);
  // The first of each service stays.
  return `${image.split(':')[0]}-${replica}${replica === 0 ? '' : `-${(life * 7919 + replica * 104_729).toString(36)}`}`;
}

function eventOf(
  service: Service,
  at: number,
  container: string,
  time: number,
  random: Random,
): RecordedObservation {
  const name = Math.floor(service.names * random.next() ** 2);
  const late = random.next() < LATE;
  const age = late ? Math.ceil(-LATENESS * Math.log(1 - random.next())) : 0;
  const asked = Math.floor((time / SECOND - age) / service.ttl);
  // Some steps a day further on, so that a week sees about one and a half pools.
  const moved = Math.floor(((time - START) / LENGTH) * 0.5 * service.pool);
  const member = (moved + hash(asked, name, Math.floor(random.next() * service.shown))) % (2 * service.pool);
  const subject: Subject = {
    command: 'app',
    exe: '/usr/bin/app',
    uid: 1000,
    gid: 1000,
    inContainer: true,
    container,
    image: service.image,
  };
  const address = parseAddress(`151.${101 + at}.${name * 8 + (member >> 8)}.${member & 255}`)!;
  return {
    subject,
    family: address.family,
    address: address.value,
    port: 443,
    protocol: 6,
    verdict: 'allow',
    monitored: false,
    names: [`n${name}.${service.image.split(':')[0]}.example`],
    known: { by: 'self', age },
    count: 1,
    first: time,
    last: time,
    hours: 1,
    blocks: [],
  };
}

/** Where in the pool an answer begins, with the `index`th of its addresses. */
function hash(asked: number, name: number, index: number): number {
  return ((Math.imul(asked ^ (name << 24), 0x9e3779b1) >>> 16) + index) % 64;
}
