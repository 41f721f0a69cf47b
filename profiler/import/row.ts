import { printJson, readCell } from '../../error/visible.ts';
import { ProcessFlag, SocketKind } from '../../bpf/wire.ts';
import { parseAddress, type Address } from '../../policy/value/address.ts';
import { parseOpening } from '../../policy/value/opening.ts';
import { hasPorts, parseProtocol } from '../../policy/value/protocol.ts';
import { SOCKET_KINDS } from '../../policy/value/socket-kind.ts';
import { EXPORTED, type ColumnName } from '../database/connection-column.ts';
import { Operation, Verdict } from '../event/batch.ts';
import { Known } from '../event/columns.ts';
import type { Credential } from '../event/credential.ts';
import type { ProcessRow } from '../event/dimension.ts';
import { LONGEST_NAME, plainName } from '../event/plain-name.ts';
import { parseTime } from '../event/time.ts';
import { ancestorNames } from '../identity/ancestor.ts';

const COLUMNS = EXPORTED.map(({ name }) => name);
const REQUIRED = EXPORTED.filter(({ required }) => required).map(({ name }) => name);

/** One row, understood. Empty text is unknown. */
export interface ImportedRow {
  /** Microseconds since the epoch. */
  time: number;
  host: string;
  pid: number;
  command: string;
  exe: string;
  script: string;
  credential: Credential;
  /** Of the real and the effective ids. */
  userName: string;
  euserName: string;
  groupName: string;
  egroupName: string;
  /** Whether it was in a container, which may have no name. */
  inContainer: boolean;
  container: string;
  image: string;
  unit: string;
  /** Path in the cgroup v2 hierarchy. */
  cgroup: string;
  imageDigest: string;
  labels: Readonly<Record<string, string>>;
  pod: string;
  namespace: string;
  /** Family 0 where a socket was opened that no destination can be judged by. */
  address: Address | typeof NOWHERE;
  /** The kind of the socket, SocketKind of wire.ts, where it was opened. */
  port: number;
  protocol: number;
  count: number;
  operation: number;
  verdict: number;
  /** See ancestorText(). */
  ancestors: string;
  /** What the address was known by, the best first; empty where it is not known. */
  names: readonly string[];
  /** See `Known`; 0 without names. */
  known: number;
  age: number;
}

/** What is wrong, and with which field. */
export interface RowProblem {
  field: number;
  message: string;
}

/** Distinct addresses remembered: most logs repeat them. */
const REMEMBERED = 65_536;

/** More than a record keeps of its own. */
const MOST_NAMES = 64;

const NAMELESS = { names: [], known: 0, age: 0 };

/** A time without a zone may be of any: it counts as UTC. Microseconds. */
const AHEAD = 86_400_000_000;

/** An id is any number of 32 bits. */
const MOST_ID = 4_294_967_295;

const TRUTH = { false: 0, true: 1 } as const;

/** The words of the column `verdict`. */
const VERDICT = { allow: Verdict.allow, deny: Verdict.deny } as const;

const NOWHERE = { family: 0, value: 0n } as const;

/** Understands rows by the names in the file's first row. */
export class RowReader {
  readonly #index: Readonly<Record<ColumnName, number>>;
  readonly #width: number;
  readonly #cell: (text: string) => string;
  /** What is recorded later than this is of a wrong clock: it would count as recent, and stretch the window. */
  readonly #latest = Date.now() * 1000 + AHEAD;
  readonly #addresses = new Map<string, Address>();
  #problem: RowProblem | undefined;
  /** The labels that were read last: most rows have those of the row before. */
  #labelText = '';
  #labelValue: Readonly<Record<string, string>> = {};

  /**
   * `header`: names of the columns, which `headerProblem` has approved. `cell` reads what a field says.
   */
  constructor(header: readonly string[], cell: (text: string) => string = readCell) {
    this.#width = header.length;
    this.#cell = cell;
    this.#index = Object.fromEntries(COLUMNS.map((name) => [name, header.indexOf(name)])) as Record<
      ColumnName,
      number
    >;
  }

  read(fields: readonly string[]): ImportedRow | RowProblem {
    if (fields.length !== this.#width) {
      const message = `${fields.length} fields, but the first row names ${this.#width} columns`;
      // The last field that is there, or the first that is too much.
      return { field: Math.min(fields.length - 1, this.#width), message };
    }
    this.#problem = undefined;
    const operation = this.#word(fields, 'operation', Operation, Operation.connect);
    const opening = operation === Operation.open ? this.#opening(fields) : undefined;
    const protocol = opening?.protocol ?? this.#protocol(fields);
    const row: ImportedRow = {
      time: this.#time(fields),
      host: this.#text(fields, 'host'),
      pid: this.#number(fields, 'pid', 2_147_483_647, 0),
      command: this.#text(fields, 'comm'),
      exe: this.#text(fields, 'exe'),
      script: this.#text(fields, 'script'),
      credential: this.#credential(fields),
      userName: this.#text(fields, 'user_name'),
      euserName: this.#text(fields, 'euser_name'),
      groupName: this.#text(fields, 'group_name'),
      egroupName: this.#text(fields, 'egroup_name'),
      ...this.#container(fields),
      image: this.#text(fields, 'image'),
      unit: this.#text(fields, 'unit'),
      cgroup: this.#text(fields, 'cgroup'),
      imageDigest: this.#text(fields, 'image_digest'),
      labels: this.#labels(fields),
      pod: this.#text(fields, 'pod'),
      namespace: this.#text(fields, 'namespace'),
      ...(opening ?? this.#destination(fields, protocol)),
      protocol,
      count: this.#number(fields, 'count', Number.MAX_SAFE_INTEGER, 1),
      operation,
      verdict: this.#verdict(fields),
      ancestors: this.#text(fields, 'ancestors'),
      ...this.#names(fields),
    };
    if (row.count === 0) this.#wrong('count', '0 connections are no observation');
    return this.#problem ?? row;
  }

  #text(fields: readonly string[], name: ColumnName): string {
    const index = this.#index[name];
    return index < 0 ? '' : this.#cell(fields[index]!);
  }

  #time(fields: readonly string[]): number {
    const text = this.#text(fields, 'ts');
    const time = parseTime(text);
    if (time === undefined)
      return this.#wrong('ts', `${quote(text)} is no time such as 2026-11-21T09:30:00Z`);
    return time <= this.#latest ? time : this.#wrong('ts', `${quote(text)} has not come yet`);
  }

  /** Exports without a column of their own for it had the id of a container, or this word, for its name. */
  #container(fields: readonly string[]): Pick<ImportedRow, 'container' | 'inContainer'> {
    const container = this.#text(fields, 'container');
    const named = this.#index.in_container >= 0 || !/^(?:\(unknown\)|[0-9a-f]{12})$/.test(container);
    if (!named) return { container: '', inContainer: true };
    const inContainer = this.#word(fields, 'in_container', TRUTH, TRUTH.false) === TRUTH.true;
    return { container, inContainer: inContainer || container !== '' };
  }

  #labels(fields: readonly string[]): Readonly<Record<string, string>> {
    const text = this.#text(fields, 'labels');
    if (text === '') return {};
    if (this.#labelText === text) return this.#labelValue;
    const labels = parseLabels(text);
    if (labels === undefined) this.#wrong('labels', `${quote(text)} is no JSON object of texts`);
    this.#labelText = text;
    return (this.#labelValue = labels ?? {});
  }

  /** A field without a value takes `fallback`, when there is one. */
  #number(fields: readonly string[], name: ColumnName, most: number, fallback?: number): number {
    const text = this.#text(fields, name);
    if (text === '' && fallback !== undefined) return fallback;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    return value <= most ? value : this.#wrong(name, `${quote(text)} is no number from 0 to ${most}`);
  }

  /** An effective id that is not given is the real one, and a file system id the effective one. */
  #credential(fields: readonly string[]): Credential {
    const uid = this.#number(fields, 'uid', MOST_ID);
    const euid = this.#number(fields, 'euid', MOST_ID, uid);
    const fsuid = this.#number(fields, 'fsuid', MOST_ID, euid);
    const gid = this.#number(fields, 'gid', MOST_ID);
    const egid = this.#number(fields, 'egid', MOST_ID, gid);
    const fsgid = this.#number(fields, 'fsgid', MOST_ID, egid);
    return { uid, euid, fsuid, gid, egid, fsgid };
  }

  /** Where the protocol has no ports, none need be given. */
  #destination(fields: readonly string[], protocol: number): Pick<ImportedRow, 'address' | 'port'> {
    const socket = this.#text(fields, 'socket');
    if (socket !== '') this.#wrong('socket', `${quote(socket)} belongs to the operation open alone`);
    const port = this.#number(fields, 'port', 65_535, hasPorts(protocol) ? undefined : 0);
    return { address: this.#address(fields), port };
  }

  /** `name` alone does, and comes first of all; without it nothing may be said of names. */
  #names(fields: readonly string[]): Pick<ImportedRow, 'names' | 'known' | 'age'> {
    const text = [this.#text(fields, 'name'), this.#text(fields, 'names')].join(' ').trim();
    const [known, age] = [this.#text(fields, 'name_known'), this.#text(fields, 'age')];
    if (text === '') {
      if (known !== '') this.#wrong('name_known', 'there is no name');
      if (age !== '') this.#wrong('age', 'there is no name');
      return NAMELESS;
    }
    const names = [...new Set(text.split(' ').map(plainName))].filter((name) => name !== '');
    if (names.length > MOST_NAMES) this.#wrong('names', `more than ${MOST_NAMES} names`);
    const long = names.find((name) => name.length > LONGEST_NAME);
    if (long !== undefined) this.#wrong('names', `${quote(long)} is longer than a name can be`);
    if (!/^(?:-?\d{1,9})?$/.test(age)) this.#wrong('age', `${quote(age)} is no number of seconds`);
    return { names, known: this.#word(fields, 'name_known', Known, 0), age: Number(age) };
  }

  #opening(fields: readonly string[]): Pick<ImportedRow, 'address' | 'port' | 'protocol'> {
    for (const name of ['addr', 'port'] as const) {
      if (this.#text(fields, name) !== '') this.#wrong(name, 'the operation open has no destination');
    }
    const port = this.#word(fields, 'socket', SocketKind);
    const kind = SOCKET_KINDS.find((name) => SocketKind[name] === port) ?? 'other';
    const text = this.#text(fields, 'protocol');
    const protocol =
      parseOpening(kind, text) ??
      this.#wrong('protocol', `${quote(text)} is nothing that a ${kind} socket can be opened with`);
    return { address: NOWHERE, port, protocol };
  }

  #address(fields: readonly string[]): Address {
    const text = this.#text(fields, 'addr');
    const known = this.#addresses.get(text);
    if (known !== undefined) return known;
    const address = parseAddress(text);
    if (address === undefined) {
      this.#wrong('addr', `${quote(text)} is no IP address`);
      return { family: 4, value: 0n };
    }
    if (this.#addresses.size >= REMEMBERED) this.#addresses.clear();
    this.#addresses.set(text, address);
    return address;
  }

  #protocol(fields: readonly string[]): number {
    const text = this.#text(fields, 'protocol');
    return (
      parseProtocol(text.toLowerCase()) ??
      this.#wrong(
        'protocol',
        `${quote(text)} is no protocol: tcp, udp, icmp, icmpv6, sctp or a number to 255`,
      )
    );
  }

  #word(
    fields: readonly string[],
    name: ColumnName,
    words: Readonly<Record<string, number>>,
    fallback?: number,
  ): number {
    const text = this.#text(fields, name);
    if (text === '' && fallback !== undefined) return fallback;
    return Object.hasOwn(words, text)
      ? words[text]!
      : this.#wrong(name, `${quote(text)} is none of ${Object.keys(words).join(', ')}`);
  }

  /** Files of before had no column for denials that stopped nothing. */
  #verdict(fields: readonly string[]): number {
    const verdict = this.#word(fields, 'verdict', VERDICT, VERDICT.allow);
    const noted = this.#word(fields, 'noted', TRUTH, TRUTH.false) === TRUTH.true;
    return noted && verdict === VERDICT.deny ? Verdict.noted : verdict;
  }

  /** Keeps the first problem of a row. A column that is not there is reported at the first field. */
  #wrong(name: ColumnName, message: string): number {
    this.#problem ??= { field: Math.max(0, this.#index[name]), message: `${name}: ${message}` };
    return 0;
  }
}

/** Equal for rows of the same process of a host. */
export function importedProcessKey(row: ImportedRow): string {
  const { pid, command, exe, script, unit, cgroup, ancestors } = row;
  const container = [importedContainerKey(row), row.inContainer];
  return [pid, command, exe, script, ...container, unit, cgroup, ancestors].join('\0');
}

/** Equal for rows of the same container of a host; empty where nothing is known of one. */
export function importedContainerKey(row: ImportedRow): string {
  const told = Object.keys(row.labels).length === 0 ? '' : JSON.stringify(row.labels);
  const known = [row.container, row.image, row.imageDigest, row.namespace, row.pod, told];
  return known.every((text) => text === '') ? '' : known.join('\0');
}

/** What a row has of a process; nothing else of it is known. `key` need only differ from that of others. */
export function importedProcess(row: ImportedRow, key: bigint, container: number | undefined): ProcessRow {
  return {
    key,
    pid: row.pid,
    parentPid: 0,
    exe: row.exe,
    device: 0n,
    inode: 0n,
    script: row.script,
    arguments: '',
    command: row.command,
    parentCommand: '',
    nodename: row.host,
    mountNamespace: 0,
    pidNamespace: 0,
    cgroupId: 0n,
    cgroupPath: row.cgroup,
    ...(container !== undefined && { containerId: container }),
    ...(row.unit !== '' && { unit: row.unit }),
    flags: row.inContainer ? ProcessFlag.inContainer : 0,
    startedAt: row.time,
    ancestors:
      row.ancestors === '' ? undefined : ancestorNames(row.ancestors).map((command) => ({ command })),
  };
}

/** Why a first row can't be used, or undefined. */
export function headerProblem(header: readonly string[]): RowProblem | undefined {
  const [separator] = header.length === 1 ? (/[;\t|]/.exec(header[0]!) ?? []) : [];
  if (separator !== undefined) {
    const message = `the columns are separated by ${quote(separator)}; CSV separates them by ","`;
    return { field: 0, message };
  }
  for (const [field, name] of header.entries()) {
    if (isColumn(name) && header.indexOf(name) < field)
      return { field, message: `${quote(name)} is named twice` };
  }
  const missing = REQUIRED.find((name) => !header.includes(name));
  return missing === undefined ? undefined : { field: 0, message: `the column ${quote(missing)} is missing` };
}

/** Whether an import reads a column of this name. */
export function isColumn(name: string): name is ColumnName {
  return COLUMNS.includes(name as ColumnName);
}

function parseLabels(text: string): Record<string, string> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const labels = Object.entries(value);
  return labels.every(([, label]) => typeof label === 'string') ? Object.fromEntries(labels) : undefined;
}

function quote(text: string): string {
  return printJson(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
