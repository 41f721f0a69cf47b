import type { DuckDBValue } from '@duckdb/node-api';
import type { Credential } from '../event/credential.ts';
import { destinationOf } from './destination.ts';
import type { Observation, Subject } from './observation.ts';

/** An observation as the record has it. Those of one subject hold the same object. */
export interface RecordedObservation extends Observation {
  /** Whether its denial was only noted: the policy in force was in monitor mode. */
  monitored: boolean;
  /** Events in each tenth of the time from the first to the last event that was asked for. */
  blocks: number[];
}

/** The clock hours (UTC, counted from the epoch) in which connections of a subject got this verdict. */
export interface Activity {
  subject: Subject;
  verdict: 'allow' | 'deny';
  hours: number[];
}

/** What was observed, and when the subjects were active: hours of observations can be united, their numbers cannot be added. */
export interface History {
  observations: RecordedObservation[];
  activity: Activity[];
}

type Column = readonly DuckDBValue[];

/** Who a subject is, as `historySql` tells it. What came over a socket has the members of DuckDB's values, not the class. */
interface Who extends Credential {
  command: string;
  exe: string | null;
  script: string | null;
  in_container: boolean;
  container: string | null;
  image: string | null;
  unit: string | null;
  cgroup: string | null;
  allowed: { items: number[] } | null;
  denied: { items: number[] } | null;
}

/** The history that rows of `historySql` tell, from their columns. */
export function historyOf(columns: readonly Column[]): History {
  const [whos, family, high, low, port, protocol, verdict, monitored, ...numbers] = columns;
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
        monitored: monitored![row] === true,
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

function subjectOf(who: Who): Subject {
  return {
    command: who.command,
    ...optional('exe', who.exe),
    ...optional('script', who.script),
    uid: who.uid,
    gid: who.gid,
    ...(who.euid !== who.uid && { euid: who.euid }),
    ...(who.egid !== who.gid && { egid: who.egid }),
    ...(who.fsuid !== who.euid && { fsuid: who.fsuid }),
    ...(who.fsgid !== who.egid && { fsgid: who.fsgid }),
    inContainer: who.in_container,
    ...optional('container', who.container),
    ...optional('image', who.image),
    ...optional('unit', who.unit),
    ...optional('cgroup', who.cgroup),
  };
}

/** A text that may be unknown, as a member of an object. */
export function optional<K extends string>(key: K, value: DuckDBValue | undefined): { [P in K]?: string } {
  return (value === null || value === undefined ? {} : { [key]: String(value) }) as { [P in K]?: string };
}
