import type { DuckDBValue } from '@duckdb/node-api';
import { plainPath } from '../../bpf/interpreter.ts';
import { Known, type KnownBy } from '../event/columns.ts';
import { destinationOf } from './destination.ts';
import { SUBJECT_MEMBERS } from './observation-sql.ts';
import type { Observation, Subject } from './observation.ts';

/** An observation as the record has it. Those of one subject hold the same object. */
export interface RecordedObservation extends Observation {
  /** Whether its denial was only noted: the policy in force was in monitor mode. */
  monitored: boolean;
  /** The rule that decided; of several that did in turn, one. Absent where none did. */
  rule?: string;
  /** Events in each of ten parts of the window, in order of time, of which each has about as many events in all. */
  blocks: number[];
}

/** The clock hours (UTC, counted from the epoch) in which connections of a subject got this verdict. */
export interface Activity {
  subject: Subject;
  verdict: 'allow' | 'deny';
  hours: number[];
}

/**
 * What was observed, and when the subjects were active: hours of observations can be united, their numbers
 * cannot be added.
 */
export interface History {
  observations: RecordedObservation[];
  activity: Activity[];
}

type Column = readonly DuckDBValue[];

/**
 * Who a subject is, as `historySql` returns it: NULL is unknown. What came over a socket has the members of
 * DuckDB's values, not the class.
 */
type Who = { readonly [Name in keyof Required<Subject>]: Required<Subject>[Name] | null } & {
  readonly allowed: { items: number[] } | null;
  readonly denied: { items: number[] } | null;
};

/** Ids that are returned where they differ from these. */
const USUAL: Partial<Record<keyof Subject, keyof Subject>> = {
  euid: 'uid',
  egid: 'gid',
  fsuid: 'euid',
  fsgid: 'egid',
};

/** The history that rows of `historySql` tell, from their columns. */
export function historyOf(columns: readonly Column[]): History {
  const [whos, family, high, low, port, protocol, verdict, intent, monitored, rule, ...numbers] = columns;
  const [names, askedBy, age] = numbers.splice(-3);
  const [count, first, last, hours, ...blocks] = numbers as (readonly number[])[];
  const history: History = { observations: [], activity: [] };
  let subject: Subject;
  for (const [row, value] of whos!.entries()) {
    if (value !== null) {
      const who = (value as unknown as { entries: Who }).entries;
      subject = subjectOf(who);
      if (who.allowed) history.activity.push({ subject, verdict: 'allow', hours: who.allowed.items });
      if (who.denied) history.activity.push({ subject, verdict: 'deny', hours: who.denied.items });
      continue;
    }
    const destination = destinationOf(family![row]!, high![row]!, low![row]!, port![row]!, protocol![row]!);
    history.observations.push(
      Object.assign(destination, {
        subject: subject!,
        verdict: verdict![row] === 0 ? ('allow' as const) : ('deny' as const),
        ...(intent![row] === true && { intent: true }),
        monitored: monitored![row] === true,
        ...optional('rule', rule![row]!),
        ...(names![row] !== '' && { names: String(names![row]).split(' ') }),
        ...(askedBy![row] !== 0 && { known: knownBy(Number(askedBy![row]), Number(age![row])) }),
        count: count![row]!,
        first: first![row]!,
        last: last![row]!,
        hours: hours![row]!,
        blocks: blocks.map((block) => block[row]!),
      }),
    );
  }
  return history;
}

const KNOWN_BY: ReadonlyMap<number, KnownBy> = new Map(
  Object.entries(Known).map(([word, number]) => [number, word as KnownBy]),
);

function knownBy(number: number, age: number): NonNullable<Observation['known']> {
  // What this version does not know is the least that it may be.
  return { by: KNOWN_BY.get(number) ?? 'host', age };
}

function subjectOf(who: Who): Subject {
  const told = SUBJECT_MEMBERS.filter((name) => {
    const usual = USUAL[name];
    return who[name] !== null && (usual === undefined || who[name] !== who[usual]);
  });
  const subject = Object.fromEntries(told.map((name) => [name, who[name]])) as unknown as Subject;
  // What was imported, and what was recorded before the kernel side made paths plain.
  for (const file of ['exe', 'script'] as const) {
    const path = subject[file];
    if (path !== undefined) subject[file] = plainPath(path);
  }
  return subject;
}

/** A text that may be unknown, as a member of an object. */
export function optional<K extends string>(key: K, value: DuckDBValue | undefined): { [P in K]?: string } {
  return (value === null || value === undefined ? {} : { [key]: String(value) }) as { [P in K]?: string };
}
