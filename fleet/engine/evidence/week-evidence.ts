import type { PoolClient } from 'pg';
import type { EvidenceMessage, EvidenceQuery } from '../../wire/message.ts';
import { partsOf, TIMEOUT } from './cursor.ts';
import { KNOWN_BY, VERDICTS } from './evidence-row.ts';
import { listArray } from './sql-array.ts';

interface HostLine {
  number: number;
  id: string;
  name: string;
}

interface Line {
  host: number;
  subject: number;
  address: Buffer;
  port: number;
  protocol: number;
  socket: string;
  verdict: number;
  count: number;
  first: number;
  last: number;
  names: string[] | null;
  /** Of the name alone. */
  name: string[] | null;
  known: number;
  age: number;
}

/** What each host showed in a week: the hosts, the subjects, and a row for each host, subject, destination, verdict and name. */
export async function* weekEvidence(
  client: PoolClient,
  { week, workload }: EvidenceQuery,
): AsyncGenerator<readonly EvidenceMessage[]> {
  await client.query(`SET LOCAL statement_timeout = ${TIMEOUT}`);
  // Also of a caller who reads slowly.
  await client.query(`SET LOCAL idle_in_transaction_session_timeout = ${TIMEOUT}`);
  const { rows: hosts } = await client.query<HostLine>(
    `SELECT number, id, name FROM host
     WHERE ($1 = '' OR workload = $1) AND EXISTS (SELECT FROM evidence e WHERE e.host = host.number AND e.week = $2)
     ORDER BY name, id`,
    [workload, week],
  );
  yield hosts.map(({ id, name }) => ({ it: 'host', host: { id, name } }));
  const numbers = listArray(
    hosts.map(({ number }) => number),
    (number) => number,
  );
  const subjects = new Map<number, number>();
  for await (const part of partsOf<{ id: number; document: Buffer }>(client, SUBJECTS, [numbers, week])) {
    for (const { id } of part) subjects.set(id, subjects.size);
    yield part.map(({ document }) => ({ it: 'subject', subject: document }));
  }
  const places = new Map(hosts.map(({ number }, place) => [number, place]));
  for await (const part of partsOf<Line>(client, ROWS, [numbers, week])) {
    // What came after the subjects were read is left to the next time.
    const known = part.filter(({ subject }) => subjects.has(subject));
    yield known.map((line) => rowOf(line, places.get(line.host)!, subjects.get(line.subject)!));
  }
}

const SUBJECTS = `
  SELECT id, document FROM subject
  WHERE id IN (SELECT subject FROM evidence WHERE host = ANY($1::int[]) AND week = $2)
  ORDER BY document`;

const ROWS = `
  SELECT e.host, e.subject, e.address, e.port, e.protocol, e.socket, e.verdict, e.count, e.first, e.last, n.names,
    o.names AS name, e.known, e.age
  FROM evidence e LEFT JOIN names n ON n.id = e.names LEFT JOIN names o ON o.id = e.name
  WHERE e.host = ANY($1::int[]) AND e.week = $2`;

function rowOf(
  { known, name, names, verdict, ...line }: Line,
  host: number,
  subject: number,
): EvidenceMessage {
  const called = { name: name?.[0] ?? '', knownBy: name ? KNOWN_BY[known]! : ('NO_NAME' as const) };
  const row = { ...line, ...called, host, subject, verdict: VERDICTS[verdict]!, names: names ?? [] };
  return { it: 'row', row };
}
