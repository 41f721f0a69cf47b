import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api';
import { BATCH_ROWS } from '../event/batch.ts';
import { ColumnChunk } from '../database/column-chunk.ts';
import { HOURLY } from '../event/columns.ts';
import { credentialKey, type AccountKind } from '../event/credential.ts';
import { checkpoint } from '../database/database.ts';
import { containerCells, credentialCells, processCells } from '../database/name-cells.ts';
import { RowAppender } from '../database/row-appender.ts';
import { countKnown } from './known-row.ts';
import { importedContainerKey, importedProcess, importedProcessKey, type ImportedRow } from './row.ts';

/** Processes remembered; one that comes back after more than these gets a second row. */
const REMEMBERED = 131_072;

const TABLES = ['process', 'container', 'command', 'credential', 'account', 'name', 'name_set'] as const;
type Tables = Record<(typeof TABLES)[number], RowAppender>;

interface Host {
  recording: number;
  first: number;
  last: number;
  events: number;
}

/** Writes imported rows, one recording a host, in one transaction: all of them or none. */
export class ImportWriter {
  readonly #connection: DuckDBConnection;
  readonly #hourly: DuckDBAppender;
  readonly #tables: Tables;
  readonly #chunk = new ColumnChunk(HOURLY);
  readonly #hosts = new Map<string, Host>();
  readonly #processes = new Map<string, { process: number; command: number }>();
  readonly #names = new Map<string, number>();
  /** The highest id of a recording before, 0 where there was none. */
  readonly #before: number;
  #recordings: number;
  /** Whether rows can be added. */
  #open = true;
  #rows = 0;
  #ids = 0;

  private constructor(
    connection: DuckDBConnection,
    hourly: DuckDBAppender,
    tables: Tables,
    recordings: number,
  ) {
    this.#connection = connection;
    this.#hourly = hourly;
    this.#tables = tables;
    this.#before = recordings;
    this.#recordings = recordings;
    // What is imported was judged by no policy that we know.
    this.#chunk.columns.box.fill(-1);
  }

  static async open(connection: DuckDBConnection): Promise<ImportWriter> {
    await connection.run('BEGIN');
    const last = await connection.runAndReadAll('SELECT coalesce(max(id), 0) FROM recording');
    const tables = {} as Tables;
    for (const table of TABLES) tables[table] = await RowAppender.open(connection, table);
    const hourly = await connection.createAppender('hourly');
    return new ImportWriter(connection, hourly, tables, Number(last.getRowsJS()[0]![0]));
  }

  add(row: ImportedRow): void {
    const host = this.#hostOf(row);
    host.first = Math.min(host.first, row.time);
    host.last = Math.max(host.last, row.time);
    host.events += row.count;
    const { process, command } = this.#processOf(row, host.recording);
    const { family, value } = row.address;
    const at = this.#rows;
    const column = this.#chunk.columns;
    this.#chunk.recording[at] = host.recording;
    column.process[at] = process;
    column.command[at] = command;
    column.credential[at] = this.#credentialOf(row, host.recording);
    column.family[at] = family;
    column.addressHigh[at] = family === 4 ? 0n : value >> 64n;
    // The store keeps the lower 64 bits.
    column.addressLow[at] = value;
    column.port[at] = row.port;
    column.protocol[at] = row.protocol;
    column.operation[at] = row.operation;
    column.verdict[at] = row.verdict;
    column.count[at] = BigInt(row.count);
    column.first[at] = BigInt(row.time);
    column.last[at] = column.first[at]!;
    column.names[at] = this.#nameSetOf(row, host.recording);
    column.known[at] = row.known;
    column.age[at] = row.age;
    this.#rows += 1;
    if (this.#rows === BATCH_ROWS) this.#append();
  }

  /** Hands over what was added, and returns how many of the rows the record had already. */
  async flush(): Promise<number> {
    this.#append();
    this.#open = false;
    for (const table of Object.values(this.#tables)) table.closeSync();
    this.#hourly.closeSync();
    for (const [name, { recording, first, last, events }] of this.#hosts) {
      await this.#connection.run(
        `INSERT INTO recording (id, host, kernel, backend, command, target, started_at, ended_at, state, events)
        VALUES ($1, $2, '', 'import', 'import', 'host', $3, $4, 'complete', $5)`,
        [recording, name, BigInt(first), BigInt(last), BigInt(events)],
      );
    }
    return this.#before === 0 ? 0 : await countKnown(this.#connection, this.#before, this.#span());
  }

  /** Commits what was flushed. Returns the ids of the recordings that were made. */
  async commit(): Promise<number[]> {
    await this.#connection.run('COMMIT');
    await checkpoint(this.#connection);
    return [...this.#hosts.values()].map(({ recording }) => recording);
  }

  /** Forgets everything that was added. */
  async abandon(): Promise<void> {
    if (this.#open) {
      for (const table of Object.values(this.#tables)) table.abandon();
      this.#hourly.clear();
      this.#hourly.closeSync();
    }
    await this.#connection.run('ROLLBACK');
  }

  /** Times of the first and the last row. */
  #span(): { first: number; last: number } {
    const span = { first: Infinity, last: -Infinity };
    for (const { first, last } of this.#hosts.values()) {
      span.first = Math.min(span.first, first);
      span.last = Math.max(span.last, last);
    }
    return span;
  }

  #append(): void {
    if (this.#rows > 0) this.#chunk.appendTo(this.#hourly, this.#rows);
    this.#rows = 0;
  }

  #hostOf({ host, time }: ImportedRow): Host {
    let known = this.#hosts.get(host);
    if (known === undefined) {
      this.#recordings += 1;
      known = { recording: this.#recordings, first: time, last: time, events: 0 };
      this.#hosts.set(host, known);
    }
    return known;
  }

  #processOf(row: ImportedRow, recording: number): { process: number; command: number } {
    const key = `${recording}\0${importedProcessKey(row)}`;
    const known = this.#processes.get(key);
    if (known !== undefined) return known;
    if (this.#processes.size >= REMEMBERED) this.#processes.clear();
    const inside = this.#containerOf(row, recording);
    const command = this.#named(`${recording}\0command\0${row.command}`, (id) =>
      this.#tables.command.append([recording, id, row.command]),
    );
    this.#ids += 1;
    const made = { process: this.#ids, command };
    this.#tables.process.append([
      recording,
      ...processCells(made.process, importedProcess(row, BigInt(made.process), inside)),
    ]);
    this.#processes.set(key, made);
    return made;
  }

  #containerOf(row: ImportedRow, recording: number): number | undefined {
    const key = importedContainerKey(row);
    if (key === '') return undefined;
    const { container: name, image, imageDigest: digest, labels, namespace, pod } = row;
    const cells = { runtime: 'import', id: '', name, image, imageId: '', digest, labels, namespace, pod };
    return this.#named(`${recording}\0container\0${key}`, (id) =>
      this.#tables.container.append([recording, ...containerCells(id, 1, cells)]),
    );
  }

  #credentialOf(row: ImportedRow, recording: number): number {
    const { uid, euid, gid, egid } = row.credential;
    // In a container other users have these ids than outside.
    if (!row.inContainer && importedContainerKey(row) === '') {
      this.#nameAccount(recording, 'user', uid, row.userName);
      this.#nameAccount(recording, 'user', euid, row.euserName);
      this.#nameAccount(recording, 'group', gid, row.groupName);
      this.#nameAccount(recording, 'group', egid, row.egroupName);
    }
    return this.#named(`${recording}\0credential\0${credentialKey(row.credential)}`, (id) =>
      this.#tables.credential.append([recording, ...credentialCells(id, row.credential)]),
    );
  }

  #nameSetOf({ names }: ImportedRow, recording: number): number {
    if (names.length === 0) return 0;
    const ids = names.map((text) =>
      this.#named(`${recording}\0name\0${text}`, (id) => this.#tables.name.append([recording, id, text])),
    );
    return this.#named(`${recording}\0name_set\0${ids.join()}`, (id) =>
      this.#tables.name_set.append([recording, id, ids]),
    );
  }

  /** The first name that a host has for an id is kept. */
  #nameAccount(recording: number, kind: AccountKind, id: number, name: string): void {
    if (name === '') return;
    this.#named(`${recording}\0${kind}\0${id}`, () =>
      this.#tables.account.append([recording, kind, id, name]),
    );
  }

  #named(key: string, add: (id: number) => void): number {
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    if (this.#names.size >= REMEMBERED) this.#names.clear();
    this.#ids += 1;
    add(this.#ids);
    this.#names.set(key, this.#ids);
    return this.#ids;
  }
}
