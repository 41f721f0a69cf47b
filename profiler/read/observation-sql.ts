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
 * Times of the first and the last event, NULL when there is none, whether the record has any names and any rules, and
 * whether any row is of two hours. The first four parameters of the queries below.
 */
export const BOUNDS = `
  SELECT min(first) AS first, max(last) AS last, EXISTS (FROM name_set) AS named, EXISTS (FROM box) AS ruled,
    coalesce(bool_or(across), false) AS across FROM (
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
  /** Whether it has rules that may have decided. */
  ruled: boolean;
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

const PLACE = [...sqlNames(DESTINATION_KEY), 'verdict'];

/** A rule for sockets does not look at the protocol that one was opened for. */
const ASKED = PLACE.join().replace('protocol', 'CASE WHEN family > 0 THEN protocol ELSE 0 END AS protocol');

/** Numbers of the event table by which a subject is known. */
const ACTOR = ['recording', ...sqlNames(ACTOR_KEY)];

/** The same where `command` is a text. */
const ACTOR_IN_NAMED = ACTOR.map((key) => (key === 'command' ? 'command_id' : key));

const OF_SUBJECT = ACTOR.map((key, at) => `n.${ACTOR_IN_NAMED[at]!} IS NOT DISTINCT FROM f.${key}`);

/** Names that an observation tells. */
const MOST_NAMES = 8;

/** What tells observations apart where names do not. */
const OBSERVATION = ['subject', ...sqlNames(DESTINATION_KEY), 'verdict'];

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

/**
 * Single events, and equal events of an hour, in the same columns. What is in the window is chosen before, by SINGLE and
 * HOURLY.
 */
function eventsOf(columns: readonly string[], also = ''): string {
  const of = (first: string, last: string): string =>
    columns.map((name) => ({ first: `${first} AS first`, last: `${last} AS last` })[name] ?? name).join();
  return `SELECT ${of('time', 'time + span')} FROM event WHERE ${SINGLE}${also}
    UNION ALL SELECT ${of('first', 'last')} FROM hourly WHERE ${HOURLY}${also}`;
}

/** What is done with the names of events. */
interface Naming {
  /** Columns of events that it takes. */
  events: readonly string[];
  /** Other statements, before `folded`. */
  before: string;
  /** More columns of `folded`, and what it joins for them. */
  folded: string;
  joined: string;
  /** More columns of `seen`, and what that joins for them. */
  seen: string;
  shown: string;
  /** What tells observations apart beside the others. */
  order: string;
}

/** By whom names were asked for, and how old they are, where observations are not told apart by them. */
const NOBODY = '0::UTINYINT AS asked_by, 0 AS age';

const UNCALLED: Naming = {
  events: [],
  before: '',
  folded: '',
  joined: '',
  seen: `, '' AS names, ${NOBODY}`,
  shown: '',
  order: '',
};

/**
 * The best names of the events of each observation, those of most events first, with spaces between. In a pass of its
 * own over the events that have names.
 */
function called({ column, of }: Periods): Naming {
  const observation = `${OBSERVATION.join()}${column}`;
  const events = eventsOf([...ACTOR, ...PLACE, 'first', 'names', 'count'], ' AND names > 0');
  const before = `
  called AS (
    SELECT ${observation}, string_agg(name, ' ' ORDER BY count DESC, name) AS names FROM (
      SELECT *, row_number() OVER (PARTITION BY ${observation} ORDER BY count DESC, name) AS place FROM (
        SELECT n.subject, ${ASKED}${column}, s.name, sum(count) AS count
        FROM (
          SELECT ${[...ACTOR, ...PLACE].join()}, names${of('first')}, sum(count) AS count FROM (${events}) GROUP BY ALL) f
        JOIN named n ON ${OF_SUBJECT.join(' AND ')}
        JOIN name_set_now s ON s.recording = f.recording AND s.id = f.names
        GROUP BY ALL))
    WHERE place <= ${MOST_NAMES} GROUP BY ALL),`;
  const seen = `, coalesce(called.names, '') AS names, ${NOBODY}`;
  const order = column && ', names';
  return { ...UNCALLED, before, seen, shown: `LEFT JOIN called USING (${observation})`, order };
}

/**
 * Observations are told apart by the names that their addresses were known by, and by whom those were asked for. Lists
 * of names are compared by number.
 */
const APART: Naming = {
  events: ['names', 'known', 'age'],
  before: `
  list AS (
    SELECT recording, id, names, dense_rank() OVER (ORDER BY names) AS number FROM name_set_now WHERE names <> ''),`,
  folded: ', s.number AS list, known AS asked_by, max(age)::INTEGER AS age',
  joined: 'LEFT JOIN list s ON s.recording = f.recording AND s.id = f.names',
  seen: `, coalesce(s.names, '') AS names, asked_by, age`,
  shown: 'LEFT JOIN (SELECT DISTINCT number, names FROM list) s ON s.number = folded.list',
  order: ', names, asked_by',
};

/** The rule that decided; of several the first. Names of rules are compared by number. */
const RULED = {
  before: `
  rule AS (
    SELECT recording, box, name, dense_rank() OVER (ORDER BY name) AS number FROM box WHERE name IS NOT NULL),`,
  folded: ', min(r.number) AS rule',
  joined: 'LEFT JOIN rule r ON r.recording = f.recording AND r.box = f.box',
  seen: ', r.name AS rule',
  shown: 'LEFT JOIN (SELECT DISTINCT number, name FROM rule) r ON r.number = folded.rule',
};

const UNRULED = { before: '', folded: '', joined: '', seen: ', NULL::VARCHAR AS rule', shown: '' };

/** What `family` is in the row of a subject. */
export const SUBJECT_ROW = -1;

/** Bits of `traits`. */
export const Trait = { intent: 1, monitored: 2, rule: 4, names: 8 } as const;

const TRAITS = `(CASE WHEN intent THEN ${Trait.intent} ELSE 0 END + CASE WHEN monitored THEN ${Trait.monitored} ELSE 0 END
    + CASE WHEN rule IS NULL THEN 0 ELSE ${Trait.rule} END + CASE WHEN names = '' THEN 0 ELSE ${Trait.names} END)`;

/** Numbers of events as fields of a number, the first in the lowest bits. */
export interface Packing {
  /** How many fields a number has. */
  fields: number;
  /** What a field is below, so that there is room for all events there are. */
  base: number;
}

/** How the events of blocks are kept, by how many there are in all. */
export function packingOf(buckets: readonly Bucket[]): Packing {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  const base = 2 ** (Math.floor(Math.log2(total + 1)) + 1);
  return { fields: Math.max(1, Math.floor(EXACT / Math.log2(base))), base };
}

/** Bits of a DOUBLE in which each whole number is exact. */
const EXACT = 53;

/** For each column of blocks, `b0` the first, the number of its first block. */
export function packedBlocks({ fields }: Packing): number[] {
  return Array.from({ length: Math.ceil(BLOCKS / fields) }, (_, number) => number * fields);
}

/**
 * SQL for the events of a group in each block, between these edges. Several counters are fields of one number: a sum for
 * each block took 3 s more of 10 for a million groups, and 200 MB; to take fields of a HUGEINT apart here, 2 s of 5.
 */
function blockCounters(edges: readonly number[], packing: Packing): string {
  const { base, fields } = packing;
  const counters = packedBlocks(packing).map((first) => {
    const end = Math.min(BLOCKS, first + fields);
    const cases = Array.from(
      { length: end - first },
      (_, at) => `WHEN first < ${edges[first + at + 1]!} THEN count * ${base ** at}::DOUBLE`,
    );
    const outside = `WHEN first < ${edges[first]!} OR first >= ${edges[end]!} THEN 0::DOUBLE`;
    return `, sum(CASE ${outside} ${cases.join(' ')} END) AS b${first}`;
  });
  return counters.join('');
}

/**
 * The subjects in their order, and after each one its observations. In the row of a subject `family` is SUBJECT_ROW,
 * and `who` is JSON: who it is, and in which clock hours its events were allowed and denied. As a text it is sorted
 * along with a million rows at a third of what it takes as a struct. Elsewhere it is NULL, and in the row of a subject
 * the other columns are 0. Numbers of events and times are DOUBLE, exact up to 2^53: BIGINT comes out as BigInt, at five
 * times the cost. `traits` says what is to be read of columns that are mostly empty; `packingOf` how blocks are kept.
 * Parameters: $1 since, $2 until (microseconds since the epoch, until excluded), $3 verdict (0, 1 for both kinds of
 * denial, or NULL for all), $4 the operation to leave out (2, or NULL for none), $5 whether containers alone are wanted.
 *
 * Events are folded inside DuckDB in one step: whose they are is looked up for each number of a process before, names of
 * rules and lists of names are numbers meanwhile. To fold by the numbers of the event table first, and those groups by
 * names, took three times as long for a million distinct observations. Hours are bits of a set and blocks are counters,
 * not keys: with the hour as a key, 10,000,000 events of one day made 1,474,086 groups instead of 64,000 and took seven
 * times as long. A UDP connect that sent nothing (operation 2) is no traffic; opening a socket (operation 3) is an
 * observation of its own, of family 0.
 */
export function historySql({
  across,
  apart,
  buckets,
  ends,
  named,
  ruled,
  stretches,
  ...bounds
}: Bounds): string {
  // The others tell nothing apart.
  const periods = periodsOf(ends.filter((end) => bounds.first < end && end <= bounds.last));
  const unnamed = named ? called(periods) : UNCALLED;
  const naming = apart && named ? APART : unnamed;
  const rules = ruled ? RULED : UNRULED;
  const set = hourSet(HOUR, stretches);
  const hours = across ? set.ofBoth('first', 'last') : set.of('first');
  const packing = packingOf(buckets);
  const blocks = packedBlocks(packing).map((first) => `b${first}`);
  const columns = [...ACTOR, ...PLACE, 'box', 'operation', 'count', 'first', 'last', ...naming.events];
  return `WITH
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
      FROM (SELECT DISTINCT ${ACTOR.join()} FROM (${eventsOf(ACTOR)})) a
      LEFT JOIN who w ON w.recording = a.recording AND w.id = a.process
      LEFT JOIN command m ON m.recording = a.recording AND m.id = a.command
      JOIN credential k ON k.recording = a.recording AND k.id = a.credential
      LEFT JOIN recording r ON r.id = a.recording
      WHERE NOT $5 OR coalesce(w.in_container, false))),
  actor AS MATERIALIZED (
    SELECT unnest(list({${[...ACTOR_IN_NAMED, 'subject'].map((name) => `'${name}': ${name}`).join()}}), recursive := true)
    FROM named),${naming.before}${rules.before}
  folded AS MATERIALIZED (
    SELECT n.subject, ${ASKED}, bool_and(operation = ${Operation.intent}) AS intent, sum(count)::DOUBLE AS count,
      min(first)::DOUBLE AS first, max(last)::DOUBLE AS last, ${hours} AS hours
      ${blockCounters(edgesOf(bounds, buckets, BLOCKS), packing)}${rules.folded}${naming.folded}${periods.of('first')}
    FROM (${eventsOf(columns)}) f JOIN actor n ON ${OF_SUBJECT.join(' AND ')} ${rules.joined} ${naming.joined}
    GROUP BY ALL),
  active AS (
    SELECT subject, ${set.union('hours', `verdict = ${Verdict.allow}`)} AS allowed,
      ${set.union('hours', `verdict > ${Verdict.allow}`)} AS denied
    FROM folded GROUP BY subject),
  told AS (
    SELECT DISTINCT subject, to_json(struct_pack(${SUBJECT_MEMBERS.map((name) => `"${name}" := "${name}"`).join()},
      allowed := ${set.list('allowed')}, denied := ${set.list('denied')}))::VARCHAR AS who
    FROM named JOIN active USING (subject)),
  seen AS (
    SELECT ${OBSERVATION.map((name) => `folded.${name}`).join()}, intent, verdict = ${Verdict.noted} AS monitored, count,
      first, last, ${set.size('hours')}::INTEGER AS hours, ${blocks.join()}${rules.seen}${naming.seen}${periods.column}
    FROM folded ${rules.shown} ${naming.shown})
  SELECT * EXCLUDE (subject, intent, monitored${periods.column}), ${TRAITS} AS traits FROM (
    SELECT NULL AS who, * FROM seen
    UNION ALL BY NAME
    SELECT who, subject, ${SUBJECT_ROW} AS family, 0::UBIGINT AS address_high, 0::UBIGINT AS address_low, 0 AS port, 0 AS protocol,
      0 AS verdict, false AS intent, false AS monitored, NULL AS rule, 0 AS count, 0 AS first, 0 AS last, 0 AS hours,
      ${blocks.map((name) => `0 AS ${name}`).join()}, '' AS names, ${NOBODY}${periods.column && ', 0 AS period'}
    FROM told)
  ORDER BY ${OBSERVATION.join()}${naming.order}${periods.column}`;
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
