import type { PoolClient } from 'pg';
import type { AggregateHosts, AggregateRow } from '../../wire/message.ts';
import type { Primary } from '../connection/primary.ts';
import {
  countedHosts,
  MOST_COUNT,
  windowHours,
  type EvidenceWindow,
  type WindowHours,
} from './counted-host.ts';
import { partsOf, TIMEOUT } from './cursor.ts';
import { KNOWN_BY, VERDICTS } from './evidence-row.ts';
import { listArray } from './sql-array.ts';

export type { EvidenceWindow };

/** The groups of a large workload fit, and do not go to the disk. */
const MEMORY = '256MB';
/** Of a member in `members`: place of the host, number of its names, and age of the name. */
const MEMBER_BYTES = 16;

export interface Aggregate {
  hosts: AggregateHosts;
  /** Can be read once. */
  rows: AsyncIterable<readonly AggregateRow[]>;
}

/**
 * k of n: what the counted hosts of a workload saw in a window, a row for each subject, destination, verdict and name, with the
 * set of hosts that showed it. Counts are those of whole weeks that the window touches; hours are exact.
 */
export async function aggregate(
  primary: Primary,
  workload: string,
  window: EvidenceWindow,
  oldestWeek: number,
): Promise<Aggregate> {
  const hours = windowHours(window, oldestWeek);
  const { counted, uncounted, numbers } = await countedHosts(primary, workload, window, hours);
  return {
    hosts: { counted, uncounted },
    rows: primary.read((client) => aggregateRows(client, numbers, window, hours)),
  };
}

interface Line {
  document: Buffer;
  address: Buffer;
  port: number;
  protocol: number;
  socket: string;
  verdict: number;
  count: number;
  first: number;
  last: number;
  hours: number;
  members: Buffer;
  /** Number of the set that has the name alone, as a text; 0: none. */
  name: string;
  known: number;
}

async function* aggregateRows(
  client: PoolClient,
  numbers: readonly number[],
  window: EvidenceWindow,
  hours: WindowHours,
): AsyncGenerator<readonly AggregateRow[]> {
  if (numbers.length === 0 || hours.weeks.length === 0) return;
  await client.query(`SET LOCAL work_mem = '${MEMORY}'`);
  await client.query(`SET LOCAL statement_timeout = ${TIMEOUT}`);
  const observed = partsOf<Line>(client, OBSERVED, [
    listArray(numbers, (number) => number),
    hours.weeks,
    ...hours.masks.map((mask) => listArray(mask, (bits) => bits)),
    window.since,
    window.until,
  ]);
  for await (const part of observed) {
    const names = await namesOf(client, part);
    yield part.map((line) => rowOf(line, numbers.length, names));
  }
}

/**
 * A member is the place of a host, from 0, the number of the names that it knew the address by, and the age of the one that
 * its events went by. Rows are filtered by
 * their hours too, where a clock that can be believed gave them any.
 */
const OBSERVED = `
  SELECT s.document, o.* FROM (
    SELECT subject, address, port, protocol, socket, verdict, name::text AS name, known, least(sum(count), ${MOST_COUNT})::bigint AS count, min(first) AS first,
      max(last) AS last, sum(hours)::int AS hours, string_agg(members, '') AS members
    FROM (
      SELECT e.subject, e.address, e.port, e.protocol, e.socket, e.verdict, e.name, e.known, sum(e.count) AS count, min(e.first) AS first,
        max(e.last) AS last,
        bit_count(bit_or(e.hours_0 & m.m0)::bit(64)) + bit_count(bit_or(e.hours_1 & m.m1)::bit(64))
          + bit_count(bit_or(e.hours_2 & m.m2)::bit(64)) AS hours,
        string_agg(int4send(h.place) || int8send(e.names) || int4send(e.age), '') AS members
      FROM evidence e
        JOIN (SELECT number, (place - 1)::int AS place FROM unnest($1::int[]) WITH ORDINALITY AS u (number, place)) h
          ON h.number = e.host
        JOIN unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[]) AS m (week, m0, m1, m2) ON m.week = e.week
      WHERE e.week = ANY($2::int[]) AND e.host = ANY($1::int[]) AND e.last >= $6 AND e.first < $7
        AND (e.hours_0 & m.m0 <> 0 OR e.hours_1 & m.m1 <> 0 OR e.hours_2 & m.m2 <> 0
          OR (e.hours_0 = 0 AND e.hours_1 = 0 AND e.hours_2 = 0))
      GROUP BY e.subject, e.address, e.port, e.protocol, e.socket, e.verdict, e.name, e.known, e.week) w
    GROUP BY subject, address, port, protocol, socket, verdict, w.name, known) o
  JOIN subject s ON s.id = o.subject
  ORDER BY s.document, o.address, o.port, o.protocol, o.socket, o.verdict, o.name, o.known`;

/** The names of each number that these lines have. */
async function namesOf(client: PoolClient, lines: readonly Line[]): Promise<Map<bigint, string[]>> {
  const wanted = new Set<bigint>();
  for (const { members, name } of lines) {
    wanted.add(BigInt(name));
    for (const { names } of membersOf(members)) wanted.add(names);
  }
  wanted.delete(0n);
  if (wanted.size === 0) return new Map();
  const { rows } = await client.query<{ id: string; names: string[] }>(
    'SELECT id::text, names FROM names WHERE id = ANY($1::bigint[])',
    [listArray([...wanted], (id) => id)],
  );
  return new Map(rows.map(({ id, names }) => [BigInt(id), names]));
}

function* membersOf(members: Buffer): Generator<{ place: number; names: bigint; age: number }> {
  for (let at = 0; at < members.length; at += MEMBER_BYTES) {
    yield {
      place: members.readInt32BE(at),
      names: members.readBigInt64BE(at + 4),
      age: members.readInt32BE(at + 12),
    };
  }
}

function rowOf(line: Line, hosts: number, names: ReadonlyMap<bigint, string[]>): AggregateRow {
  const { document: subject, address, port, protocol, socket, count, first, last, hours } = line;
  const all = new HostSet(hosts);
  const named = new Map<string, HostSet>();
  const ages = new Map<number, number>();
  for (const member of membersOf(line.members)) {
    all.add(member.place);
    ages.set(member.place, Math.max(member.age, ages.get(member.place) ?? -Infinity));
    for (const name of names.get(member.names) ?? []) {
      let known = named.get(name);
      if (known === undefined) named.set(name, (known = new HostSet(hosts)));
      known.add(member.place);
    }
  }
  const sorted = [...named.keys()].toSorted();
  const [name = ''] = names.get(BigInt(line.name)) ?? [];
  return {
    subject,
    address,
    port,
    protocol,
    socket,
    verdict: VERDICTS[line.verdict]!,
    count,
    first,
    last,
    hours,
    hosts: all.bytes,
    names: sorted,
    nameHosts: sorted.map((each) => named.get(each)!.size),
    name,
    knownBy: name === '' ? 'NO_NAME' : KNOWN_BY[line.known]!,
    ages: name === '' ? [] : [...ages].toSorted(([a], [b]) => a - b).map(([, age]) => age),
  };
}

/** Bit i % 8 of byte i / 8: place i. */
class HostSet {
  readonly bytes: Buffer;
  size = 0;

  constructor(hosts: number) {
    this.bytes = Buffer.alloc(Math.ceil(hosts / 8));
  }

  add(place: number): void {
    const bit = 1 << (place & 7);
    if ((this.bytes[place >> 3]! & bit) !== 0) return;
    this.bytes[place >> 3]! |= bit;
    this.size++;
  }
}
