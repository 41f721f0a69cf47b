import type { DuckDBValue } from '@duckdb/node-api';
import { BouhekiError } from '../../error/error.ts';
import { Operation, Verdict } from '../event/batch.ts';
import type { AccountKind } from '../event/credential.ts';
import type { LossKind } from '../event/dimension.ts';
import { type Evidence, type EvidenceQuery, readEvidence } from './evidence-sql.ts';
import { LINES } from './export.ts';
import { isOutOfMemory, storeFailure } from '../database/failure.ts';
import { type History, HistoryBuilder, optional, type RecordedObservation } from './history.ts';
import type { LearningWindow } from '../record/learning-window.ts';
import type { LiveStatus } from '../serve/live-status.ts';
import { ACCOUNTS, BOUNDS, bucketsSql, EXTENT, historySql, UNNAMED, type Bounds } from './observation-sql.ts';
import { Accounts, type Observation } from './observation.ts';
import { openSource, recorderStatus } from './open-source.ts';
import { SEEN_OF_OPEN } from '../database/open-recording.ts';
import { recordToRead } from '../database/record-place.ts';
import type { Cell, NameTable } from '../database/row-writer.ts';
import type { Answer, RecordSource, Value } from './record-source.ts';
import { bucketWidth, HOUR, stretchesOf } from './stretch.ts';
import { placeOf, ROWS_OF, SAMPLE, sampleOf, type SampleProcess } from './sample-sql.ts';

export type { Activity, History, RecordedObservation } from './history.ts';
export { isEventLoss } from '../event/dimension.ts';

/** Which part of the record. Times in microseconds since the epoch, `since` included, `until` not. */
export interface ObservationQuery {
  since?: number;
  until?: number;
  verdict?: 'allow' | 'deny';
  /** `container`: connections of containers alone. Default: all. */
  target?: 'host' | 'container';
  /** Also UDP connects that sent nothing. Name look-ups make them, so they are no traffic by default. */
  intents?: boolean;
  /** Tell observations apart by the names that their addresses were known by, with who asked for those. */
  byNames?: boolean;
  /**
   * Tell observations apart by which of these moments had come, so that a policy with rules that end then can judge each:
   * microseconds since the epoch. Equal events in one row count at the first of them.
   */
  ends?: readonly number[];
}

/** One run of learn or enforce. Times in microseconds since the epoch. */
export interface RecordingSummary {
  id: number;
  host: string;
  kernel: string;
  backend: string;
  command: string;
  mode?: string;
  target: string;
  policyHash?: string;
  startedAt: number;
  endedAt: number;
  state: 'complete' | 'interrupted' | 'running';
  /** Events of the whole recording, intents included. */
  events: number;
  /** Containers without a name: their runtime did not tell it, or is not known. */
  unnamed: number;
  /** The learning window that it is part of. */
  window?: LearningWindow;
  /**
   * Of one that was cut short: for how long nothing was recorded until the next one, if one followed.
   * Microseconds.
   */
  gap?: number;
  /**
   * How often the clock was set while it ran, and by how many microseconds in all; absent when it was not.
   */
  clock?: { steps: number; step: number };
}

/** Events that a recording is known to lack, and answers of resolvers. */
export interface Loss {
  recording: number;
  kind: LossKind;
  count: number;
}

/**
 * Opens the record for reading: the file, or a copy of it where a recorder writes it, as of the last flush; always a copy
 * with `apart`, beside which a recorder can start.
 * Throws BouhekiError: `no-data` when there is no such file, `store-busy` with the pid of the process in the
 * way, `disk-full` when there is no room for the copy, `untrusted` when others could have written it, or
 * `store`.
 */
export async function openReader(
  path: string,
  access: 'read' | 'query' = 'read',
  apart = false,
): Promise<Reader> {
  try {
    return new Reader(path, await openSource(recordToRead(path), access, apart));
  } catch (error) {
    throw storeFailure(error, path);
  }
}

/**
 * What the recorder that writes the record at `path` reports about itself; undefined when none does. Throws
 * as `openReader`.
 */
export async function openLive(path: string): Promise<LiveStatus | undefined> {
  try {
    return await recorderStatus(recordToRead(path));
  } catch (error) {
    throw storeFailure(error, path);
  }
}

/** Names of the columns, and rows of what JSON can hold; integers beyond 2^53 are text. */
export interface QueryResult {
  columns: string[];
  rows: unknown[][];
}

/** How much a record holds. Times in microseconds since the epoch; absent when it is empty. */
export interface Extent {
  /** Rows of single events, and of equal events of an hour. */
  events: number;
  hourly: number;
  first?: number;
  last?: number;
  subjects: number;
  /** Events whose address was known by a name. */
  named: number;
}

/** The reading half of the store. */
export class Reader {
  readonly path: string;
  readonly #source: RecordSource;

  constructor(path: string, source: RecordSource) {
    this.path = path;
    this.#source = source;
  }

  /** Every recording that overlaps the window, oldest first. One that was killed counts as interrupted. */
  async recordings(window: { since?: number; until?: number } = {}): Promise<RecordingSummary[]> {
    const columns = await this.#read(
      `SELECT * FROM (
        SELECT r.id, r.host, r.kernel, r.backend, r.command, r.mode, r.target, r.policy_hash, r.started_at,
          coalesce(r.ended_at, s.last, r.started_at) AS ended_at,
          CASE r.state WHEN 'open' THEN $3 ELSE r.state END AS state,
          coalesce(r.events, s.events, 0) AS events, r.window_start, r.window_end,
          CASE WHEN r.command <> 'import' THEN lead(r.started_at) OVER (
            PARTITION BY r.host, r.command = 'import' ORDER BY r.id) END AS next,
          coalesce(u.unnamed, 0) AS unnamed, c.steps, c.step
        FROM recording r LEFT JOIN (${SEEN_OF_OPEN}) s ON s.recording = r.id
        LEFT JOIN (${UNNAMED}) u ON u.recording = r.id
        LEFT JOIN (SELECT recording, count(*) AS steps, sum(step)::BIGINT AS step FROM clock_step GROUP BY ALL) c
          ON c.recording = r.id)
      WHERE ended_at >= $1 AND started_at < $2 ORDER BY id`,
      [since(window), until(window), this.live === undefined ? 'interrupted' : 'running'],
    );
    return rows(columns).map(summary);
  }

  /** What was observed, folded by subject, destination and verdict, in a stable order. */
  async observations(query: ObservationQuery = {}): Promise<RecordedObservation[]> {
    return (await this.history(query)).observations;
  }

  /**
   * The observations and when the subjects were active, which they do not have: from one pass over the
   * events.
   */
  async history(query: ObservationQuery = {}): Promise<History> {
    const bounds = await this.#bounds(query);
    if (bounds === undefined) return { observations: [], activity: [] };
    const { byNames = false, ends = [] } = query;
    const sql = historySql({ ...bounds, apart: byNames, ends });
    try {
      // All rows may be too many to be kept twice.
      const { names, parts } = await this.#source.askRaw(sql, parameters(query));
      const builder = new HistoryBuilder(names, bounds.buckets);
      for await (const chunk of parts) builder.add(chunk);
      return builder.history;
    } catch (error) {
      throw storeFailure(error, this.path);
    }
  }

  /** What the recorded hosts call their users and groups. */
  async accounts(): Promise<Accounts> {
    const found = rows(await this.#read(ACCOUNTS, []));
    return new Accounts(
      found.map(([kind, id, name]) => ({ kind: kind as AccountKind, id: Number(id), name: String(name) })),
    );
  }

  /** What is known to be missing from the window, by recording and kind. */
  async losses(window: { since?: number; until?: number } = {}): Promise<Loss[]> {
    const columns = await this.#read(
      `SELECT recording, kind, sum(count)::BIGINT FROM loss WHERE time >= $1 AND time < $2
      GROUP BY ALL ORDER BY ALL`,
      // Losses are counted about once a second: one noted just after the window may have happened in it.
      [since(window), until(window) + 2_000_000n],
    );
    return rows(columns).map(([recording, kind, count]) => ({
      recording: Number(recording),
      kind: kind as LossKind,
      count: Number(count),
    }));
  }

  /**
   * Runs one statement of the user's own, in this process. It may only read, and reaches no file but the
   * record. Throws BouhekiError `usage` with what DuckDB says of the statement.
   */
  async query(sql: string): Promise<QueryResult> {
    try {
      const { names, columns } = await collect(await this.#source.query(sql));
      return { columns: names, rows: rows(columns) };
    } catch (error) {
      if (error instanceof BouhekiError) throw error;
      if (isOutOfMemory(error)) throw storeFailure(error, this.path);
      throw new BouhekiError('usage', (error as Error).message.trimEnd(), {
        remedy: 'The view to ask is `connections`; `DESCRIBE connections` shows its columns.',
        cause: error,
      });
    }
  }

  /**
   * What the recorder that writes this record reported about itself when it was opened; undefined where none
   * did.
   */
  get live(): LiveStatus | undefined {
    return this.#source.recorder;
  }

  /**
   * Rows of a table of names that belong to a recording, the columns in this order. Unknown values are undefined, lists
   * are arrays.
   */
  async *nameRows(table: NameTable, recording: number, names: readonly string[]): AsyncGenerator<Cell[]> {
    try {
      const sql = `SELECT ${names.join()} FROM ${table} WHERE recording = $1`;
      const { parts } = await this.#source.ask(sql, [recording]);
      for await (const columns of parts)
        for (const row of rows(columns as DuckDBValue[][])) yield row.map(cellOf);
    } catch (error) {
      throw storeFailure(error, this.path);
    }
  }

  /** How much the record holds. */
  async extent(): Promise<Extent> {
    const [row] = rows(await this.#read(EXTENT, []));
    const [events, hourly, named, first, last, subjects] = row!.map((value) =>
      value === null ? undefined : Number(value),
    );
    return {
      events: events!,
      hourly: hourly!,
      ...(first !== undefined && { first }),
      ...(last !== undefined && { last }),
      subjects: subjects!,
      named: named!,
    };
  }

  /** Every connection as one line of text, in parts, in no particular order. */
  async *lines(
    format: 'csv' | 'ndjson',
    window: { since?: number; until?: number } = {},
  ): AsyncGenerator<string[]> {
    try {
      const { parts } = await this.#source.ask(LINES[format], [since(window), until(window)]);
      for await (const [lines] of parts) yield lines as string[];
    } catch (error) {
      throw storeFailure(error, this.path);
    }
  }

  /** The process that made the last connection of an observation; undefined when none is known. */
  async sample(observation: Observation): Promise<SampleProcess | undefined> {
    const { command, uid } = observation.subject;
    const [row] = rows(await this.#read(SAMPLE, [...placeOf(observation), uid, command]));
    return row === undefined ? undefined : sampleOf(row);
  }

  /** The latest `most` rows of an observation, the last first: the columns of an export, and `rule`. */
  async rowsOf(observation: RecordedObservation, window: { since?: number; until?: number }, most: number) {
    const { monitored, subject, verdict } = observation;
    const who = [subject.uid, subject.command, subject.exe ?? null, subject.script ?? null];
    const rest = [subject.container ?? null, verdict, monitored, since(window), until(window), most];
    const found = rows(await this.#read(ROWS_OF, [...placeOf(observation), ...who, ...rest]));
    return found.map(([text]) => JSON.parse(String(text)) as Record<string, unknown>);
  }

  /** A week of it for a fleet: see evidence-sql.ts. */
  evidence(query: EvidenceQuery): AsyncGenerator<Evidence[]> {
    return readEvidence(this.#source, query);
  }

  close(): void {
    this.#source.close();
  }

  /** Undefined when nothing was observed. */
  async #bounds(query: ObservationQuery): Promise<Omit<Bounds, 'apart' | 'ends'> | undefined> {
    const bounds = await this.#read(BOUNDS, parameters(query).slice(0, 4));
    const [first, last, named, ruled, across] = bounds.map(([value]) => value);
    if (first === null || first === undefined) return undefined;
    const ends = { first: Number(first), last: Number(last) };
    const sql = bucketsSql(bucketWidth(ends), across === true);
    const buckets = rows(await this.#read(sql, parameters(query).slice(0, 4))).map(([from, to, count]) => ({
      first: Number(from),
      last: Number(to),
      count: Number(count),
    }));
    const hours = [...new Set(buckets.map((bucket) => Math.floor(bucket.first / HOUR)))];
    return {
      ...ends,
      buckets,
      stretches: stretchesOf(hours),
      named: named === true,
      ruled: ruled === true,
      across: across === true,
    };
  }

  async #read(sql: string, values: DuckDBValue[]): Promise<DuckDBValue[][]> {
    try {
      const { columns } = await collect(await this.#source.ask(sql, values));
      return columns as DuckDBValue[][];
    } catch (error) {
      throw storeFailure(error, this.path);
    }
  }
}

async function collect({ names, parts }: Answer): Promise<{ names: string[]; columns: Value[][] }> {
  const columns: Value[][] = names.map(() => []);
  for await (const part of parts) {
    for (const [index, values] of part.entries()) {
      const column = columns[index]!;
      for (const value of values) column.push(value);
    }
  }
  return { names, columns };
}

/** As it was written. */
function cellOf(value: DuckDBValue): Cell {
  if (value === null) return undefined;
  // What came over a process boundary has the members of DuckDB's values, not the class.
  return (typeof value === 'object' ? (value as unknown as { items: Cell }).items : value) as Cell;
}

function summary(row: DuckDBValue[]): RecordingSummary {
  return {
    id: Number(row[0]),
    host: String(row[1]),
    kernel: String(row[2]),
    backend: String(row[3]),
    command: String(row[4]),
    ...optional('mode', row[5]),
    target: String(row[6]),
    ...optional('policyHash', row[7]),
    startedAt: Number(row[8]),
    endedAt: Number(row[9]),
    state: row[10] as RecordingSummary['state'],
    events: Number(row[11]),
    unnamed: Number(row[15]),
    ...(row[12] !== null && { window: { start: Number(row[12]), end: Number(row[13]) } }),
    ...(row[10] === 'interrupted' &&
      row[14] !== null && { gap: Math.max(0, Number(row[14]) - Number(row[9])) }),
    ...(row[16] !== null && { clock: { steps: Number(row[16]), step: Number(row[17]) } }),
  };
}

function rows<T>(columns: T[][]): T[][] {
  return columns[0]!.map((_, row) => columns.map((column) => column[row]!));
}

function parameters(query: ObservationQuery): DuckDBValue[] {
  const verdict = query.verdict === undefined ? null : Verdict[query.verdict];
  return [
    since(query),
    until(query),
    verdict,
    query.intents === true ? null : Operation.intent,
    query.target === 'container',
  ];
}

function since(window: { since?: number }): bigint {
  return BigInt(Math.floor(window.since ?? 0));
}

function until(window: { until?: number }): bigint {
  return BigInt(Math.floor(window.until ?? Number.MAX_SAFE_INTEGER));
}
