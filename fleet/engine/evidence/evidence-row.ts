import { createHash } from 'node:crypto';
import { isUnsafe } from '../../../error/visible.ts';
import type { Batch, Receipt, Row, Window, WireKnownBy, WireVerdict } from '../../wire/message.ts';
import { HOUR_BYTES, weekOf } from '../../wire/week.ts';
import { hourSet, type HourSet } from './hour-set.ts';

/** How far the clock of a host may be ahead. Microseconds. */
const ALLOWED_SKEW = 5 * 60 * 1_000_000;

/** As `evidence.verdict`. */
export const VERDICTS: readonly WireVerdict[] = ['ALLOW', 'DENY', 'WOULD_DENY'];

/** As `evidence.known`. */
export const KNOWN_BY: readonly WireKnownBy[] = ['NO_NAME', 'SELF', 'CGROUP', 'HOST'];

const MOST_REVISION = 2 ** 31 - 1;
/** Seconds; a record that is imported takes as many. */
const MOST_AGE = 999_999_999;
const LONGEST_SUBJECT = 16 * 1024;
const LONGEST_NAME = 255;
const MOST_NAMES = 16;
const SOCKET = /^[a-z-]{0,32}$/;
const BACKEND = /^[\w.+ -]{0,64}$/;

export type RefusalReason = Receipt['refused'][number]['reason'];

/** Rows of one host, week and key, made one. */
export interface EvidenceRow {
  host: number;
  week: number;
  /** Of all that makes the row another one within its host and week: 63 bits of a digest. */
  key: bigint;
  /** SHA-256 of the document, hexadecimal. */
  subject: string;
  address: Buffer;
  port: number;
  protocol: number;
  socket: string;
  verdict: number;
  revision: number;
  count: number;
  first: number;
  last: number;
  hours: HourSet;
  /** Number of the set of names; 0: none. */
  names: bigint;
  /** Number of the set that has nothing but the name that the events go by; 0: none. */
  name: bigint;
  known: number;
  age: number;
}

interface WindowRow {
  host: number;
  week: number;
  recorded: HourSet;
  lost: number;
  backend: string;
}

/** What the batches of a merge come to. */
export interface Intake {
  rows: Map<string, EvidenceRow>;
  windows: Map<string, WindowRow>;
  subjects: Map<string, { digest: Buffer; document: Buffer; week: number }>;
  /** By how a row tells them; several can be one set. */
  nameSets: Map<string, { id: bigint; names: string[]; week: number }>;
}

/** Of which weeks rows are taken, and until when. Microseconds. */
export interface Limits {
  now: number;
  oldestWeek: number;
}

export function emptyIntake(): Intake {
  return { rows: new Map(), windows: new Map(), subjects: new Map(), nameSets: new Map() };
}

interface TakenSubject {
  document: Buffer;
  digest: Buffer;
  name: string;
}

/** Adds a host's batch, and returns where in the intake each row is, or why it is refused. */
export function takeBatch(
  intake: Intake,
  host: number,
  batch: Batch,
  limits: Limits,
): { key?: string; reason?: RefusalReason }[] {
  const subjects = batch.subjects.map(subjectOf);
  for (const window of batch.windows) takeWindow(intake, host, window, limits);
  return batch.rows.map((row) => {
    const subject = subjects[row.subject];
    if (subject === undefined) return { reason: 'malformed' };
    const reason = refusalOf(row, limits);
    if (reason !== undefined) return { reason };
    return { key: takeRow(intake, host, row, subject) };
  });
}

function takeRow(intake: Intake, host: number, row: Row, subject: TakenSubject): string {
  const { week, address, port, protocol, socket, revision, count, first, last, age } = row;
  const { document, digest } = subject;
  const known = intake.subjects.get(subject.name);
  if (known === undefined || known.week < week) intake.subjects.set(subject.name, { document, digest, week });
  const verdict = VERDICTS.indexOf(row.verdict);
  const key = keyOf(digest, row, verdict);
  const names = takeNames(intake, row.names, week);
  const name = row.name === '' ? 0n : takeNames(intake, [row.name], week);
  const hours = hourSet(row.hours);
  const made: EvidenceRow = {
    host,
    week,
    key,
    subject: subject.name,
    address,
    port,
    protocol,
    socket,
    verdict,
    revision,
    count,
    first,
    last,
    hours,
    names,
    name,
    known: KNOWN_BY.indexOf(row.knownBy),
    age,
  };
  const place = `${host} ${week} ${key}`;
  const before = intake.rows.get(place);
  intake.rows.set(place, before === undefined ? made : mergeRows(before, made));
  return place;
}

/**
 * What a key is made of comes from the host alone, so a collision could only be of two rows of its own: 1 in 10^10 for a
 * host with as many keys as it may have. An index of the whole takes twice the room.
 */
function keyOf(subject: Buffer, row: Row, verdict: number): bigint {
  const { address, port, protocol, socket, revision } = row;
  // Lengths before what is variable: no two rows have the same bytes.
  const called = row.name === '' ? '' : `\0${row.knownBy}\0${row.name}`;
  const bytes = Buffer.alloc(
    subject.length + 10 + address.length + socket.length + Buffer.byteLength(called),
  );
  let at = subject.copy(bytes);
  at = bytes.writeUInt16BE(port, at);
  at = bytes.writeUInt16BE(protocol, at);
  at = bytes.writeUInt8(verdict, at);
  at = bytes.writeUInt32BE(revision, at);
  at = bytes.writeUInt8(address.length, at);
  at += address.copy(bytes, at);
  at += bytes.write(socket, at, 'latin1');
  bytes.write(called, at);
  return number63(bytes);
}

/** The first 63 bits of a digest. */
function number63(bytes: Buffer | string): bigint {
  return createHash('sha256').update(bytes).digest().readBigUInt64BE() >> 1n;
}

function subjectOf(document: Buffer): TakenSubject | undefined {
  if (!isSubject(document)) return undefined;
  const digest = createHash('sha256').update(document).digest();
  return { document, digest, name: digest.toString('hex') };
}

function isSubject(document: Buffer): boolean {
  if (document.length > LONGEST_SUBJECT) return false;
  try {
    const text = document.toString();
    const value: unknown = JSON.parse(text);
    if (!Buffer.from(text).equals(document)) return false;
    return (
      typeof value === 'object' && value !== null && 'command' in value && typeof value.command === 'string'
    );
  } catch {
    return false;
  }
}

function refusalOf(row: Row, { now, oldestWeek }: Limits): RefusalReason | undefined {
  if (!isRow(row)) return 'malformed';
  if (row.last > now + ALLOWED_SKEW) return 'future';
  return row.week < oldestWeek ? 'old' : undefined;
}

const isCount = (value: number, most = Number.MAX_SAFE_INTEGER) =>
  Number.isSafeInteger(value) && value >= 0 && value <= most;

function isRow(row: Row): boolean {
  return (
    (row.socket === '' ? row.address.length === 4 || row.address.length === 16 : row.address.length === 0) &&
    SOCKET.test(row.socket) &&
    isCount(row.port, 65_535) &&
    isCount(row.protocol, 255) &&
    VERDICTS.includes(row.verdict) &&
    isCount(row.revision, MOST_REVISION) &&
    isTime(row) &&
    row.hours.length === HOUR_BYTES &&
    row.names.length <= MOST_NAMES &&
    row.names.every(isName) &&
    isCalled(row)
  );
}

/** A name has somebody who asked for it, and no socket has one. */
function isCalled({ age, knownBy, name, socket }: Row): boolean {
  if (name === '') return knownBy === 'NO_NAME' && age === 0;
  const by = KNOWN_BY.indexOf(knownBy);
  return by > 0 && socket === '' && isName(name) && Number.isSafeInteger(age) && Math.abs(age) <= MOST_AGE;
}

function isTime({ count, first, last, week }: Row): boolean {
  return (
    isCount(count) &&
    count > 0 &&
    isCount(first) &&
    isCount(last) &&
    first <= last &&
    weekOf(first) === week &&
    weekOf(last) === week
  );
}

/** Of an address: what no resolver knows is refused, and with it what cannot be stored (NUL, halves of pairs). */
function isName(name: string): boolean {
  return name !== '' && name.length <= LONGEST_NAME && !isUnsafe(name);
}

/**
 * A set of names is known by the first 63 bits of its digest, so that the one to keep does not depend on the order in
 * which sets came.
 */
function takeNames(intake: Intake, names: readonly string[], week: number): bigint {
  if (names.length === 0) return 0n;
  const text = names.join('\0');
  const known = intake.nameSets.get(text);
  if (known !== undefined) {
    known.week = Math.max(known.week, week);
    return known.id;
  }
  const sorted = [...new Set(names)].toSorted();
  const id = number63(sorted.join('\0'));
  intake.nameSets.set(text, { id, names: sorted, week });
  return id;
}

/** The merge, in memory. The names are those of the later one: a host reports all that it knows, each time. */
function mergeRows(a: EvidenceRow, b: EvidenceRow): EvidenceRow {
  const later = a.last === b.last ? a.names > b.names : a.last > b.last;
  return {
    ...a,
    count: Math.max(a.count, b.count),
    first: Math.min(a.first, b.first),
    last: Math.max(a.last, b.last),
    hours: union(a.hours, b.hours),
    age: Math.max(a.age, b.age),
    names: later ? a.names : b.names,
  };
}

function union(a: HourSet, b: HourSet): HourSet {
  return [a[0] | b[0], a[1] | b[1], a[2] | b[2]];
}

function takeWindow(intake: Intake, host: number, window: Window, { now, oldestWeek }: Limits): void {
  const { week, lost, backend, recordedHours } = window;
  if (!isCount(week) || week < oldestWeek || week > weekOf(now + ALLOWED_SKEW)) return;
  if (recordedHours.length !== HOUR_BYTES || !isCount(lost) || !BACKEND.test(backend)) return;
  const key = `${host} ${week}`;
  const known = intake.windows.get(key);
  const recorded = hourSet(recordedHours);
  intake.windows.set(key, {
    host,
    week,
    recorded: known === undefined ? recorded : union(known.recorded, recorded),
    lost: Math.max(lost, known?.lost ?? 0),
    backend: known !== undefined && known.backend > backend ? known.backend : backend,
  });
}
