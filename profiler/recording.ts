import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api';
import type { EventBatch } from './batch.ts';
import { checkpoint } from './database.ts';
import { LOSS_KINDS, type BoxRow, type ContainerRow, type LossKind, type ProcessRow } from './dimension.ts';
import { EventChunk } from './event-chunk.ts';
import { storeFailure } from './failure.ts';
import { withPrivateFiles, withPrivateFilesSync } from './private-files.ts';
import { RateMeter } from './rate-meter.ts';
import { RowAppender } from './row-appender.ts';

/**
 * DuckDB commits an appender by itself at 204,800 rows; we come first, so that names are committed before events. And at
 * the size of its row groups: those it writes to their place at once, anything less goes through the log. Measured: half
 * the cost of commits of 20,480 rows.
 */
const MAX_UNFLUSHED = 122_880;
/** Command names are any text a process likes: beyond this many the table of them starts again. */
const MAX_COMMANDS = 65_536;

const TABLES = ['process', 'container', 'command', 'box', 'loss'] as const;

/** What a recording has taken in so far. */
export interface RecordingCounters {
  events: number;
  processes: number;
  containers: number;
  lost: Record<LossKind, number>;
}

/**
 * One run of learn or enforce, being written. Everything but `end` is synchronous; nothing is safe before `flush`.
 * After a failure (a full disk, say) every call throws that same BouhekiError and what was flushed before stays.
 */
export class Recording {
  /** Row id in the `recording` table. */
  readonly id: number;
  /** Microseconds since the epoch. */
  readonly startedAt: number;
  readonly counters: RecordingCounters;
  /** Of events, marked at each flush. */
  readonly rate = new RateMeter();
  /** Called when everything so far has been committed. */
  flushed: () => void = () => {};
  readonly #connection: DuckDBConnection;
  readonly #path: string;
  readonly #events: DuckDBAppender;
  readonly #chunk: EventChunk;
  readonly #rows: Record<(typeof TABLES)[number], RowAppender>;
  readonly #commands = new Map<string, number>();
  #commandCount = 0;
  #boxCount = 0;
  #containerVersion = 0;
  #unflushed = 0;
  #failure: Error | undefined;
  #ended = false;

  private constructor(
    id: number,
    startedAt: number,
    connection: DuckDBConnection,
    path: string,
    events: DuckDBAppender,
    rows: Record<(typeof TABLES)[number], RowAppender>,
  ) {
    this.id = id;
    this.startedAt = startedAt;
    this.#connection = connection;
    this.#path = path;
    this.#events = events;
    this.#rows = rows;
    this.#chunk = new EventChunk(id);
    this.counters = { events: 0, processes: 0, containers: 0, lost: noLosses() };
  }

  static async open(
    id: number,
    startedAt: number,
    connection: DuckDBConnection,
    path: string,
  ): Promise<Recording> {
    const rows = {} as Record<(typeof TABLES)[number], RowAppender>;
    for (const table of TABLES) rows[table] = await RowAppender.open(connection, table);
    return new Recording(id, startedAt, connection, path, await connection.createAppender('event'), rows);
  }

  /** Adds a process image. Returns its row id for `EventBatch.process`; 0 stands for a process that was missed. */
  process(row: ProcessRow): number {
    const id = (this.counters.processes += 1);
    this.#add('process', [
      this.id,
      id,
      row.key,
      row.pid,
      row.parentPid,
      row.exe,
      row.device,
      row.inode,
      row.script,
      row.arguments,
      row.command,
      row.parentCommand,
      row.nodename,
      row.mountNamespace,
      row.pidNamespace,
      row.cgroupId,
      row.cgroupPath,
      row.containerId,
      row.unit,
      row.flags,
      BigInt(row.startedAt),
    ]);
    return id;
  }

  /** Adds a container. Returns its row id for `ProcessRow.containerId`. */
  container(row: ContainerRow): number {
    const id = (this.counters.containers += 1);
    this.updateContainer(id, row);
    return id;
  }

  /** Replaces what is known of a container, for events before and after: a name that was found later, say. */
  updateContainer(id: number, row: ContainerRow): void {
    this.#containerVersion += 1;
    const version = this.#containerVersion;
    this.#add('container', [this.id, id, version, row.runtime, row.id, row.name, row.image, row.imageId]);
  }

  /** The row id of a command name (comm) for `EventBatch.command`. Equal names get equal ids. */
  command(text: string): number {
    const known = this.#commands.get(text);
    if (known !== undefined) return known;
    if (this.#commands.size === MAX_COMMANDS) this.#commands.clear();
    this.#commandCount += 1;
    this.#commands.set(text, this.#commandCount);
    this.#add('command', [this.id, this.#commandCount, text]);
    return this.#commandCount;
  }

  /**
   * Names the boxes of a policy that comes into force. Returns the number to add to a box's index in that policy
   * for `EventBatch.box`: 0 for the first policy of a recording, more after a reload.
   */
  boxes(list: readonly BoxRow[]): number {
    const base = this.#boxCount;
    for (const [index, box] of list.entries())
      this.#add('box', [this.id, base + index, box.name, box.action]);
    this.#boxCount += list.length;
    return base;
  }

  /** Takes a copy of the batch; the caller resets and reuses it. */
  append(batch: EventBatch): void {
    if (batch.length === 0) return;
    this.#guard(() => {
      if (this.#unflushed + batch.length > MAX_UNFLUSHED) this.#commit();
      this.#chunk.append(batch, this.#events);
      this.#unflushed += batch.length;
      this.counters.events += batch.length;
    });
  }

  /** Counts what was not recorded. The sum by kind is stored with the recording. */
  recordLoss(kind: LossKind, count: number): void {
    if (count === 0) return;
    this.counters.lost[kind] += count;
    this.#add('loss', [this.id, BigInt(Date.now()) * 1000n, kind, BigInt(count)]);
  }

  /** Commits everything so far, names before events. Call it at least every second: SIGKILL loses what is younger. */
  flush(): void {
    this.#guard(() => this.#commit());
    this.rate.mark(Date.now(), this.counters.events);
    this.flushed();
  }

  /** Whether it still takes events: it has not ended and nothing has failed. */
  get open(): boolean {
    return !this.#ended && this.#failure === undefined;
  }

  /** Flushes and closes the recording. Calling it again does nothing. */
  async end(state: 'complete' | 'interrupted'): Promise<void> {
    if (this.#ended) return;
    this.flush();
    this.#ended = true;
    try {
      await withPrivateFiles(async () => {
        this.#closeAppenders();
        await this.#connection.run(
          `UPDATE recording SET state = $1, ended_at = $2, events = $3 WHERE id = $4`,
          [state, BigInt(Date.now()) * 1000n, BigInt(this.counters.events), this.id],
        );
        await checkpoint(this.#connection);
      });
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Gives up what is not flushed, for a database that cannot be written any more. Never throws. */
  abandon(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const close of [
      () => this.#events.clear(),
      () => this.#events.closeSync(),
      ...TABLES.map((table) => () => this.#rows[table].abandon()),
    ]) {
      try {
        close();
      } catch {
        // Closing an appender of a broken database reports the same failure again.
      }
    }
  }

  #add(table: (typeof TABLES)[number], cells: Parameters<RowAppender['append']>[0]): void {
    this.#guard(() => this.#rows[table].append(cells));
  }

  #commit(): void {
    withPrivateFilesSync(() => {
      for (const table of TABLES) this.#rows[table].flushSync();
      if (this.#unflushed > 0) this.#events.flushSync();
    });
    this.#unflushed = 0;
  }

  #closeAppenders(): void {
    for (const table of TABLES) this.#rows[table].closeSync();
    this.#events.closeSync();
  }

  #guard(work: () => void): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#ended) throw new Error('the recording has ended');
    try {
      work();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #fail(error: unknown): Error {
    this.#failure = storeFailure(error, this.#path);
    return this.#failure;
  }
}

/** None of any kind. */
export function noLosses(): Record<LossKind, number> {
  return Object.fromEntries(LOSS_KINDS.map((kind) => [kind, 0])) as Record<LossKind, number>;
}
