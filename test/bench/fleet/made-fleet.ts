import type { Batch, Row } from '../../../fleet/wire/message.ts';
import { subjectBytes } from '../../../fleet/wire/subject-document.ts';
import { hourOfWeek, HOUR_BYTES, weekOf, weekStart } from '../../../fleet/wire/week.ts';

/** Keys that most hosts of a workload show, the share of hosts that shows one, and the keys that few show. */
const SHARED = 1600;
const SHOWN = 0.9;
const TAIL = 20_000;
const OF_TAIL = 400;
const SUBJECTS = 40;
const BATCH = 1000;
const HOUR = 3_600_000_000;

/** About what a host has of a week. */
export const ROWS_OF_HOST = SHARED * SHOWN + OF_TAIL;

/** Numbers below 1 that look random, the same at each run. */
export function* numbers(seed: number): Generator<number, never> {
  for (let state = seed >>> 0; ;) {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    yield ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

/** The batches of a host of a workload that saw all hours of the week of a moment up to it. Milliseconds. */
export function batchesOf(host: number, workload: number, now: number): Batch[] {
  const random = numbers(host + 1);
  const subjects = Array.from({ length: SUBJECTS }, (_, at) =>
    subjectBytes({
      command: `service-${at}`,
      exe: `/usr/lib/workload-${workload}/service-${at}`,
      user: 'www-data',
      group: 'www-data',
      unit: `service-${at}.service`,
    }),
  );
  const keys = Array.from({ length: SHARED }, (_, key) => key).filter(() => random.next().value < SHOWN);
  const tail = new Set<number>();
  while (tail.size < OF_TAIL) tail.add(SHARED + Math.floor(random.next().value * TAIL));
  const rows = [...keys, ...tail].map((key) => rowOf(key, now, random));
  const windows = [{ week: weekOf(now * 1000), recordedHours: hoursUpTo(now), lost: 0, backend: 'lsm' }];
  return Array.from({ length: Math.ceil(rows.length / BATCH) }, (_, at) => ({
    subjects,
    rows: rows.slice(at * BATCH, (at + 1) * BATCH),
    windows,
    clock: now,
  }));
}

function rowOf(key: number, now: number, random: Generator<number, never>): Row {
  const start = weekStart(weekOf(now * 1000));
  const span = now * 1000 - start;
  const [a, b] = [random.next().value * span, random.next().value * span];
  const hours = Buffer.alloc(HOUR_BYTES);
  const [first, last] = [Math.floor(start + Math.min(a, b)), Math.floor(start + Math.max(a, b))];
  for (let time = first; time <= last; time += HOUR * (1 + Math.floor(random.next().value * 8)))
    addHour(hours, time);
  addHour(hours, last);
  return {
    subject: key % SUBJECTS,
    address: Buffer.from([10, (key >> 16) & 255, (key >> 8) & 255, key & 255]),
    port: key % 3 === 0 ? 5432 : 443,
    protocol: 6,
    socket: '',
    verdict: 'ALLOW',
    revision: 0,
    rule: '',
    count: 1 + Math.floor(random.next().value * 1000),
    first,
    last,
    hours,
    week: weekOf(start),
    ...namesOf(key),
  };
}

/** Half of the destinations have a name, which the program asked for. */
function namesOf(key: number): Pick<Row, 'names' | 'name' | 'knownBy' | 'age'> {
  if (key % 2 !== 0) return { names: [], name: '', knownBy: 'NO_NAME', age: 0 };
  const name = `host-${key >> 2}.example`;
  return { names: [name], name, knownBy: 'SELF', age: key % 600 };
}

function addHour(hours: Buffer, time: number): void {
  const hour = hourOfWeek(time);
  hours[hour >> 3]! |= 1 << (hour & 7);
}

function hoursUpTo(now: number): Buffer {
  const hours = Buffer.alloc(HOUR_BYTES);
  for (let time = weekStart(weekOf(now * 1000)); time < now * 1000; time += HOUR) addHour(hours, time);
  return hours;
}
