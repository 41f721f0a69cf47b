import { plainPath } from '../../bpf/interpreter.ts';
import { ProcessFlag } from '../../bpf/wire.ts';
import { Operation, Verdict } from '../event/batch.ts';
import { Known, knownOf, type KnownBy } from '../event/columns.ts';
import { DELETED } from '../event/executable.ts';
import { destinationOf } from './destination.ts';
import { optional } from './history.ts';
import type { Observation, Subject } from './observation.ts';
import type { RecordSource } from './record-source.ts';
import { HOUR } from './stretch.ts';

/** Hours of a week. */
const HOURS = 168;

/** One week of the record. Times in microseconds since the epoch. */
export interface EvidenceQuery {
  /** When the week begins. */
  start: number;
  /** When policies of a fleet came in force, in order of time: what was denied from then on was denied by them. */
  revisions: readonly { since: number; revision: number }[];
}

/** Equal events of a week: of one subject, destination, verdict and rule, and of one name that they go by. */
export interface Evidence {
  subject: Subject;
  destination: Pick<Observation, 'family' | 'address' | 'port' | 'protocol' | 'socket'>;
  verdict: keyof typeof Verdict;
  /** Of the policy that denied it; 0 for what was allowed, and for a policy that no fleet has brought. */
  revision: number;
  rule: string;
  count: number;
  first: number;
  last: number;
  /** One digit for each hour of the week, 1 where there was an event. */
  hours: string;
  /** Names that the address was known by in most events, the best first. */
  names: readonly string[];
  /** Who asked for the first of the names, and the most seconds since the end of its TTL; undefined where none was known. */
  known: { by: KnownBy; age: number } | undefined;
}

const IDS = ['uid', 'euid', 'gid', 'egid'] as const;

/** Numbers by which events are folded before names are looked up. */
const KEYS = `recording, process, command, credential, family, address_high, address_low, port,
    CASE WHEN family > 0 THEN protocol ELSE 0 END AS protocol, verdict, box, names, known`;

/**
 * What was recorded in a week, folded by who, where, verdict, revision and rule. What was imported is left out, for it may
 * be of another host, and so is what sent nothing. Parameters: $1 the beginning of the week, $2 its end.
 */
function evidenceSql({ revisions, start }: EvidenceQuery): string {
  const cases = revisions
    .toReversed()
    .map(({ revision, since }) => `WHEN first >= ${Math.floor(since)} THEN ${Math.floor(revision)}`);
  const revision = `CASE WHEN verdict = ${Verdict.allow} THEN 0 ${cases.join(' ')} ELSE 0 END`;
  const hour = (time: string): string =>
    `bitstring_agg(least(${HOURS - 1}, (${time} - ${start}) // ${HOUR})::INTEGER, 0, ${HOURS - 1})`;
  const columns = `recording, process, command, credential, family, address_high, address_low, port, protocol, verdict, box, names,
    known, age`;
  const also = `operation <> ${Operation.intent} AND recording IN (SELECT id FROM recording WHERE command <> 'import')`;
  return `WITH
  happened AS (
    SELECT ${columns}, time AS first, time + span AS last, count FROM event WHERE time >= $1 AND time < $2 AND ${also}
    UNION ALL
    SELECT ${columns}, first, last, count FROM hourly WHERE first >= $1 AND first < $2 AND ${also}),
  folded AS (
    SELECT ${KEYS}, ${revision} AS revision, sum(count)::DOUBLE AS count, min(first) AS first, max(last) AS last,
      ${hour('first')} | ${hour('last')} AS hours, max(age)::INTEGER AS age
    FROM happened GROUP BY ALL),
  named AS (
    SELECT coalesce(m.text, '') AS command, p.exe, p.script, ${IDS.map((name) => `k.${name}`).join()},
      coalesce(ends_with(p.exe, '${DELETED}') AND p.flags & ${ProcessFlag.deleted | ProcessFlag.pathGone} = 0, false) AS undeleted,
      coalesce(in_container(p.container, p.flags), false) AS in_container, c.name AS container, c.image, p.unit,
      nullif(p.cgroup_path, '') AS cgroup, f.family, f.address_high, f.address_low, f.port, f.protocol, f.verdict, f.revision,
      coalesce(b.name, '') AS rule, f.count, f.first, f.last, f.hours, s.names, f.known, f.age,
      split_part(s.names, ' ', 1) AS name, f.known = ${Known.host} AND contains(s.names, ' ') AS several
    FROM folded f
    LEFT JOIN process p ON p.recording = f.recording AND p.id = f.process
    LEFT JOIN command m ON m.recording = f.recording AND m.id = f.command
    LEFT JOIN container_now c ON c.recording = p.recording AND c.id = p.container
    JOIN credential k ON k.recording = f.recording AND k.id = f.credential
    LEFT JOIN box b ON b.recording = f.recording AND b.box = f.box AND f.verdict > ${Verdict.allow}
    LEFT JOIN name_set_now s ON s.recording = f.recording AND s.id = f.names)
  SELECT command, exe, script, ${IDS.join()}, undeleted, in_container, container, image, unit, cgroup, family, address_high,
    address_low, port, protocol, verdict, revision, rule, sum(count)::DOUBLE AS count, min(first)::DOUBLE AS first,
    max(last)::DOUBLE AS last, bit_or(hours)::VARCHAR AS hours, arg_max(names, count) AS names,
    known, max(age) AS age, name, several
  FROM named GROUP BY ALL`;
}

/** Rows of evidence of a week, in parts, in no order. Errors are those of `RecordSource.ask`. */
export async function* readEvidence(source: RecordSource, query: EvidenceQuery): AsyncGenerator<Evidence[]> {
  const window = [BigInt(query.start), BigInt(query.start + HOURS * HOUR)];
  const { names, parts } = await source.ask(evidenceSql(query), window);
  for await (const columns of parts) {
    const column = (name: string) => columns[names.indexOf(name)] ?? [];
    yield (columns[0] ?? []).map((_, row) => evidenceOf((name) => column(name)[row] ?? null));
  }
}

type Value = Parameters<typeof optional>[1];

function evidenceOf(cell: (name: string) => unknown): Evidence {
  const number = (name: string): number => Number(cell(name));
  const text = (name: string): Value => cell(name) as Value;
  const address = (BigInt(cell('address_high') as bigint) << 64n) | BigInt(cell('address_low') as bigint);
  const { address: to, ...destination } = destinationOf(
    number('family'),
    () => address,
    0,
    number('port'),
    number('protocol'),
  );
  return {
    subject: subjectOf(number, text, cell),
    destination: { ...destination, address: to },
    verdict: VERDICTS[number('verdict')] ?? 'deny',
    revision: number('revision'),
    rule: String(text('rule')),
    count: number('count'),
    first: number('first'),
    last: number('last'),
    hours: String(text('hours')),
    ...namesOf(text('names'), number('known'), number('age')),
  };
}

function namesOf(list: Value, known: number, age: number): Pick<Evidence, 'names' | 'known'> {
  if (list === null || list === '') return { names: [], known: undefined };
  return { names: String(list).split(' '), known: knownOf(known, age) };
}

const VERDICTS = Object.keys(Verdict) as (keyof typeof Verdict)[];

function subjectOf(
  number: (name: string) => number,
  text: (name: string) => Value,
  cell: (name: string) => unknown,
): Subject {
  const [uid, euid, gid, egid] = IDS.map(number) as [number, number, number, number];
  const path = (name: 'exe' | 'script'): Value => {
    const value = text(name);
    return value === null || value === '' ? null : plainPath(String(value));
  };
  return {
    command: String(text('command')),
    ...optional('exe', path('exe')),
    ...(cell('undeleted') === true && { undeleted: true as const }),
    ...optional('script', path('script')),
    uid,
    gid,
    ...(euid !== uid && { euid }),
    ...(egid !== gid && { egid }),
    inContainer: cell('in_container') === true,
    ...optional('container', text('container')),
    ...optional('image', text('image')),
    ...optional('unit', text('unit')),
    ...optional('cgroup', text('cgroup')),
  };
}
