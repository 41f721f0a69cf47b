import { Operation, Verdict } from '../event/batch.ts';
import { ProcessFlag } from '../../bpf/wire.ts';
import { DELETED } from '../event/executable.ts';
import { ACTOR_KEY, DESTINATION_KEY, sqlNames } from '../event/columns.ts';
import { hourSet } from './hour-set.ts';
import type { Subject } from './observation.ts';
import { type Bucket, edgesOf, HOUR, type Stretch } from './stretch.ts';

/** How many parts with about equal numbers of events a window is cut into. */
export const BLOCKS = 10;

const SINGLE = `time >= $1 AND time < $2 AND ($3 IS NULL OR (verdict > 0) = ($3 > 0)) AND operation IS DISTINCT FROM $4`;

/** An hour that is folded already counts whole when any part of it may lie in the window. */
const HOURLY = SINGLE.replace('time >= $1 AND time < $2', 'last >= $1 AND first < $2');

/** Whether equal events in one row are of two hours: of a datagram that is repeated when an hour ends. */
function crosses(first: string, last: string): string {
  return `${first} // ${HOUR} <> (${last}) // ${HOUR}`;
}

/**
 * Times of the first and the last event, NULL when there is none, whether the record has any names, and
 * whether any row is of two hours. The first four parameters of the queries
 * below.
 */
export const BOUNDS = `
  SELECT min(first) AS first, max(last) AS last, EXISTS (FROM name_set) AS named, coalesce(bool_or(across), false) AS across FROM (
    SELECT min(time) AS first, max(time + span) AS last, bool_or(${crosses('time', 'time + span')}) AS across FROM event WHERE ${SINGLE}
    UNION ALL SELECT min(first), max(last), bool_or(${crosses('first', 'last')}) FROM hourly WHERE ${HOURLY})`;

/**
 * How many events there are in each bucket of so many microseconds, and when, in order. Equal events in one row count at
 * the first of them; where rows are of two hours, the last one is in a bucket too. Parameters as those of BOUNDS.
 */
export function bucketsSql(width: number, across: boolean): string {
  const counted = (table: string, time: string, count: string): string =>
    `SELECT (${time}) // ${width} AS bucket, min(${time}) AS first, max(${time}) AS last, ${count} AS count
    FROM ${table} GROUP BY bucket`;
  const [single, hourly] = [`event WHERE ${SINGLE}`, `hourly WHERE ${HOURLY}`];
  const parts = [
    counted(single, 'time', 'sum(count)'),
    counted(hourly, 'first', 'sum(count)'),
    ...(across ? [counted(single, 'time + span', '0'), counted(hourly, 'last', '0')] : []),
  ];
  return `
  SELECT min(first)::DOUBLE AS first, max(last)::DOUBLE AS last, sum(count)::DOUBLE AS count
  FROM (${parts.join(' UNION ALL ')}) GROUP BY bucket ORDER BY bucket`;
}

/** Times of the first and the last event to fold, microseconds since the epoch, and when there were any. */
export interface Bounds {
  first: number;
  last: number;
  stretches: readonly Stretch[];
  buckets: readonly Bucket[];
  /** Whether the record has names that addresses were known by. */
  named: boolean;
  /** Whether any row is of two hours. */
  across: boolean;
  /** Whether observations are told apart by them. */
  apart: boolean;
  /** By which of these moments had come observations are told apart too, microseconds since the epoch. */
  ends: readonly number[];
}

/** Whose path ends with ` (deleted)` because it was. */
const GONE = ProcessFlag.deleted | ProcessFlag.pathGone;

/** How a query returns the subject; subjects are in the order of these. */
const SUBJECT = {
  command: `coalesce(m.text, '')`,
  exe: 'w.exe',
  undeleted: `nullif(ends_with(w.exe, '${DELETED}') AND w.flags & ${GONE} = 0 AND r.command <> 'import', false)`,
  script: 'w.script',
  uid: 'k.uid',
  euid: 'k.euid',
  fsuid: 'k.fsuid',
  gid: 'k.gid',
  egid: 'k.egid',
  fsgid: 'k.fsgid',
  inContainer: 'coalesce(w.in_container, false)',
  container: 'w.container',
  image: 'w.image',
  unit: 'w.unit',
  cgroup: 'w.cgroup',
} as const satisfies Record<keyof Subject, string>;

/** The members of a subject. */
export const SUBJECT_MEMBERS = Object.keys(SUBJECT) as (keyof Subject)[];

const PLACE = [...sqlNames(DESTINATION_KEY), 'verdict'].join(', ');

/** A rule for sockets does not look at the protocol that one was opened for. */
const ASKED = PLACE.replace('protocol', 'CASE WHEN family > 0 THEN protocol ELSE 0 END AS protocol');

/** Nothing was sent to this destination. */
const INTENT = `bool_and(operation = ${Operation.intent}) AS intent`;

/** Numbers of the event table by which a subject is known. */
const ACTOR = ['recording', ...sqlNames(ACTOR_KEY)];

const OF_SUBJECT = ACTOR.map(
  (key) => `n.${key === 'command' ? 'command_id' : key} IS NOT DISTINCT FROM f.${key}`,
);

/** Names that an observation tells. */
const MOST_NAMES = 8;

/** What tells the observations of `seen` apart. */
const OBSERVATION = ['subject', ...sqlNames(DESTINATION_KEY), 'verdict', 'monitored'];

/** By how many of some moments had come at a time events are told apart. */
interface Periods {
  /** A column more in a list, by SQL for the time. */
  of(time: string): string;
  /** The same where it is there already. */
  column: string;
}

/** Of no moments there is no column. */
function periodsOf(ends: readonly number[]): Periods {
  if (ends.length === 0) return { of: () => '', column: '' };
  const had = (time: string): string => ends.map((end) => `(${time} >= ${end})::INTEGER`).join(' + ');
  return { of: (time) => `, ${had(time)} AS period`, column: ', period' };
}

/** By whom names were asked for, and how old they are, where observations are not told apart by them. */
const NOBODY = '0::UTINYINT AS asked_by, 0 AS age';

/**
 * The best names of the events of each observation, those of most events first, with spaces between; as one more
 * column behind `seen`. In a pass of its own over the events that have names.
 */
const called = ({ column, of }: Periods, observation = `${OBSERVATION.join()}${column}`): string => `,
  called AS (
    SELECT ${observation}, string_agg(name, ' ' ORDER BY count DESC, name) AS names FROM (
      SELECT *, row_number() OVER (PARTITION BY ${observation} ORDER BY count DESC, name) AS place FROM (
        SELECT n.subject, ${ASKED}, verdict = ${Verdict.noted} AS monitored${column}, s.name, sum(count) AS count
        FROM (
          SELECT ${ACTOR.join()}, ${PLACE}, names${of('time')}, sum(count) AS count FROM event WHERE ${SINGLE} AND names > 0 GROUP BY ALL
          UNION ALL
          SELECT ${ACTOR.join()}, ${PLACE}, names${of('first')}, sum(count) FROM hourly WHERE ${HOURLY} AND names > 0 GROUP BY ALL) f
        JOIN named n ON ${OF_SUBJECT.join(' AND ')}
        JOIN name_set_now s ON s.recording = f.recording AND s.id = f.names
        GROUP BY ALL))
    WHERE place <= ${MOST_NAMES} GROUP BY ALL),
  shown AS (SELECT seen.*, coalesce(called.names, '') AS names, ${NOBODY} FROM seen LEFT JOIN called USING (${observation}))`;

const UNCALLED = `,
  shown AS (SELECT *, '' AS names, ${NOBODY} FROM seen)`;

/** What is done with the names of events. */
interface Naming {
  /** More columns of `folded`, and of `seen`. */
  folded: string;
  seen: string;
  /** What `seen` joins for them. */
  join: string;
  /** The statement that makes `shown` of `seen`. */
  shown: string;
}

/** Observations are told apart by the names that their addresses were known by, and by whom those were asked for. */
const APART: Naming = {
  folded: ', names, known AS asked_by, max(age) AS age',
  seen: `, coalesce(s.names, '') AS names, asked_by, max(age)::INTEGER AS age`,
  join: 'LEFT JOIN name_set_now s ON s.recording = known.recording AND s.id = known.names',
  shown: ', shown AS (SELECT * FROM seen)',
};

const TOGETHER = { folded: '', seen: '', join: '' };

/** What `family` is in the row of a subject. */
export const SUBJECT_ROW = -1;

/** Bits of `traits`. */
export const Trait = { intent: 1, monitored: 2, rule: 4, names: 8 } as const;

const TRAITS = `(CASE WHEN intent THEN ${Trait.intent} ELSE 0 END + CASE WHEN monitored THEN ${Trait.monitored} ELSE 0 END
    + CASE WHEN rule IS NULL THEN 0 ELSE ${Trait.rule} END + CASE WHEN names = '' THEN 0 ELSE ${Trait.names} END)`;

/** Bits of a HUGEINT that a sum of numbers above 0 may fill. */
const HUGE = 126;

/**
 * SQL for the events of a group in each block, between these edges. Several counters are fields of one number, each wide
 * enough for all events there are: a sum for each block took 3 s more of 10 for a million groups, and 200 MB.
 */
function blockCounters(
  edges: readonly number[],
  buckets: readonly Bucket[],
): { counters(time: string): string; sums: string } {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  const bits = Math.floor(Math.log2(total + 1)) + 1;
  const fields = Math.min(BLOCKS, Math.floor(HUGE / bits));
  const numbers = Array.from({ length: Math.ceil(BLOCKS / fields) }, (_, number) => number * fields);
  const packed = (time: string, first: number): string => {
    const end = Math.min(BLOCKS, first + fields);
    const cases = Array.from(
      { length: end - first },
      (_, at) => `WHEN ${time} < ${edges[first + at + 1]!} THEN count::HUGEINT << ${at * bits}`,
    );
    const outside = `WHEN ${time} < ${edges[first]!} OR ${time} >= ${edges[end]!} THEN 0::HUGEINT`;
    return `, sum(CASE ${outside} ${cases.join(' ')} END) AS packed${first}`;
  };
  const unpacked = Array.from({ length: BLOCKS }, (_, block) => {
    const at = block % fields;
    return `((sum(packed${block - at}) >> ${at * bits}) & ${2 ** bits - 1})::DOUBLE AS b${block}`;
  });
  return {
    counters: (time) => numbers.map((first) => packed(time, first)).join(''),
    sums: `, ${unpacked.join(', ')}`,
  };
}

/**
 * The subjects in their order, and after each one its observations. In the row of a subject `family` is SUBJECT_ROW,
 * and `who` is JSON: who it is, and in which clock hours its events were allowed and denied. As a text it is sorted
 * along with a million rows at a third of what it takes as a struct. Elsewhere it is NULL, and in the row of a subject
 * the other columns are 0. Numbers of events and times are DOUBLE, exact up to 2^53: BIGINT comes out as BigInt, at five
 * times the cost. `traits` says what is to be read of columns that are mostly empty. Parameters: $1 since, $2
 * until (microseconds since the epoch, until excluded), $3 verdict (0, 1 for both kinds of denial, or NULL for all), $4 the operation
 * to leave out (2, or NULL for none), $5 whether containers alone are wanted.
 *
 * Events are folded inside DuckDB, in one pass and two steps: first by the numbers of the event table alone
 * (that is where the millions of rows go), then by the names, which are looked up once for each subject.
 * Hours are bits of a set and blocks are counters, not keys: with the hour as a key, 10,000,000 events of one
 * day made 1,474,086 groups instead of 64,000 and took seven times as long. A UDP connect that sent nothing
 * (operation 2) is no traffic; opening a socket (operation 3) is an observation of its own, of family 0.
 */
export function historySql({ across, apart, buckets, ends, named, stretches, ...bounds }: Bounds): string {
  // The others tell nothing apart.
  const periods = periodsOf(ends.filter((end) => bounds.first < end && end <= bounds.last));
  const naming = apart && named ? APART : { ...TOGETHER, shown: named ? called(periods) : UNCALLED };
  const set = hourSet(HOUR, stretches);
  const hoursOf = (first: string, last: string): string => (across ? set.ofBoth(first, last) : set.of(first));
  const { counters, sums } = blockCounters(edgesOf(bounds, buckets, BLOCKS), buckets);
  const keys = `${ACTOR.join()}, ${PLACE}, box`;
  const zeros = Array.from({ length: BLOCKS }, (_, block) => `, 0 AS b${block}`).join('');
  return `WITH
  folded AS MATERIALIZED (
    SELECT ${keys}, ${INTENT}, sum(count)::BIGINT AS count, min(time) AS first, max(time + span) AS last, ${hoursOf('time', 'time + span')} AS hours
      ${counters('time')} ${naming.folded}${periods.of('time')}
    FROM event WHERE ${SINGLE} GROUP BY ALL
    UNION ALL
    SELECT ${keys}, ${INTENT}, sum(count)::BIGINT, min(first), max(last), ${hoursOf('first', 'last')} AS hours
      ${counters('first')} ${naming.folded}${periods.of('first')}
    FROM hourly WHERE ${HOURLY} GROUP BY ALL),
  who AS (
    SELECT p.recording, p.id, p.flags, p.exe, p.script, in_container(p.container, p.flags) AS in_container,
      c.name AS container, c.image, p.unit, p.cgroup_path AS cgroup
    FROM process p LEFT JOIN container_now c ON c.recording = p.recording AND c.id = p.container),
  named AS MATERIALIZED (
    SELECT *, dense_rank() OVER (ORDER BY ${SUBJECT_MEMBERS.map((name) => `"${name}"`).join()}) AS subject FROM (
      SELECT a.recording, a.process, a.command AS command_id, a.credential,
        ${Object.entries(SUBJECT)
          .map(([name, sql]) => `${sql} AS "${name}"`)
          .join()}
      FROM (SELECT DISTINCT ${ACTOR.join()} FROM folded) a
      LEFT JOIN who w ON w.recording = a.recording AND w.id = a.process
      LEFT JOIN command m ON m.recording = a.recording AND m.id = a.command
      JOIN credential k ON k.recording = a.recording AND k.id = a.credential
      LEFT JOIN recording r ON r.id = a.recording
      WHERE NOT $5 OR coalesce(w.in_container, false))),
  known AS (
    SELECT n.subject, f.* FROM folded f JOIN named n ON ${OF_SUBJECT.join(' AND ')}),
  active AS (
    SELECT subject, ${set.union('hours', `verdict = ${Verdict.allow}`)} AS allowed,
      ${set.union('hours', `verdict > ${Verdict.allow}`)} AS denied
    FROM known GROUP BY subject),
  told AS (
    SELECT DISTINCT subject, to_json(struct_pack(${SUBJECT_MEMBERS.map((name) => `"${name}" := "${name}"`).join()},
      allowed := ${set.list('allowed')}, denied := ${set.list('denied')}))::VARCHAR AS who
    FROM named JOIN active USING (subject)),
  seen AS (
    SELECT subject, ${ASKED}, bool_and(intent) AS intent, verdict = ${Verdict.noted} AS monitored, min(b.name) AS rule, sum(count)::DOUBLE AS count,
      min(first)::DOUBLE AS first, max(last)::DOUBLE AS last, ${set.size(set.union('hours'))}::INTEGER AS hours ${sums} ${naming.seen}${periods.column}
    FROM known LEFT JOIN box b ON b.recording = known.recording AND b.box = known.box ${naming.join} GROUP BY ALL)${naming.shown}
  SELECT * EXCLUDE (subject, intent, monitored${periods.column}), ${TRAITS} AS traits,
    CASE WHEN family = 4 THEN address_low::DOUBLE ELSE 0 END AS address_4 FROM (
    SELECT NULL AS who, * FROM shown
    UNION ALL BY NAME
    SELECT who, subject, ${SUBJECT_ROW} AS family, 0::UBIGINT AS address_high, 0::UBIGINT AS address_low, 0 AS port, 0 AS protocol,
      0 AS verdict, false AS intent, false AS monitored, NULL AS rule,
      0 AS count, 0 AS first, 0 AS last, 0 AS hours ${zeros}, '' AS names, ${NOBODY}${periods.column && ', 0 AS period'}
    FROM told)
  ORDER BY subject, who IS NULL, family, address_high, address_low, port, protocol, verdict, monitored, names, asked_by${periods.column}`;
}

/** What hosts called the users and groups of the record; an id may have a name on each of them. */
export const ACCOUNTS = 'SELECT DISTINCT kind, id, name FROM account ORDER BY ALL';

/** How many containers of each recording have no name: no runtime gave it, or the runtime is not known. */
export const UNNAMED = `
  SELECT recording, count(*) AS unnamed FROM (
    SELECT recording, container_id FROM container_now WHERE name IS NULL AND runtime <> 'import'
    UNION ALL
    SELECT DISTINCT recording, cgroup_path FROM process WHERE container IS NULL AND in_container(container, flags))
  GROUP BY recording`;

/** Rows of either kind, events that have a name, the time they span, and the number of subjects. */
export const EXTENT = `
  SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM hourly),
    (SELECT coalesce(sum(count), 0) FROM event WHERE names > 0) + (SELECT coalesce(sum(count), 0) FROM hourly WHERE names > 0),
    (SELECT min(first) FROM (SELECT min(time) AS first FROM event UNION ALL SELECT min(first) FROM hourly)),
    (SELECT max(last) FROM (SELECT max(time + span) AS last FROM event UNION ALL SELECT max(last) FROM hourly)),
    (SELECT count(*) FROM (
      SELECT DISTINCT m.text, p.exe, p.script, k.uid, k.euid, k.fsuid, k.gid, k.egid, k.fsgid, coalesce(c.name, c.container_id), c.image, p.unit
      FROM (
        SELECT DISTINCT ${ACTOR.join()} FROM event WHERE operation <> ${Operation.intent}
        UNION SELECT DISTINCT ${ACTOR.join()} FROM hourly WHERE operation <> ${Operation.intent}) s
      LEFT JOIN process p ON p.recording = s.recording AND p.id = s.process
      LEFT JOIN command m ON m.recording = s.recording AND m.id = s.command
      LEFT JOIN credential k ON k.recording = s.recording AND k.id = s.credential
      LEFT JOIN container_now c ON c.recording = p.recording AND c.id = p.container))`;
