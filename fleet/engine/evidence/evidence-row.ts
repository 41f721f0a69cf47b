import { createHash } from 'node:crypto';
import type { Batch, Receipt, Row, Window, WireVerdict } from '../../wire/message.ts';
import { HOUR_BYTES, weekOf } from '../../wire/week.ts';
import { hourSet, type HourSet } from './hour-set.ts';

/** How far the clock of a host may be ahead. Microseconds. */
export const ALLOWED_SKEW = 5 * 60 * 1_000_000;

/** As `evidence.verdict`. */
export const VERDICTS: readonly WireVerdict[] = ['ALLOW', 'DENY', 'WOULD_DENY'];

const MOST_REVISION = 2 ** 31 - 1;
const LONGEST_SUBJECT = 64 * 1024;
const LONGEST_NAME = 255;
const MOST_NAMES = 64;
const SOCKET = /^[a-z-]{0,32}$/;
const BACKEND = /^[\w.+ -]{0,64}$/;

export type RefusalReason = Receipt['refused'][number]['reason'];

/** Rows of one host and key, made one. */
export interface EvidenceRow {
  host: number;
  week: number;
  /** SHA-256 of the document. */
  subject: Buffer;
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
}

export interface WindowRow {
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
  names: Map<bigint, { names: string[]; week: number }>;
}

/** Of which weeks rows are taken, and until when. Microseconds. */
export interface Limits {
  now: number;
  oldestWeek: number;
}

export function emptyIntake(): Intake {
  return { rows: new Map(), windows: new Map(), subjects: new Map(), names: new Map() };
}

/** Adds a host's batch, and returns the key of each row that is taken, or why it is refused. */
export function takeBatch(
  intake: Intake,
  host: number,
  batch: Batch,
  limits: Limits,
): { key?: string; reason?: RefusalReason }[] {
  const subjects = batch.subjects.map((document) =>
    isSubject(document) ? { document, digest: createHash('sha256').update(document).digest() } : undefined,
  );
  for (const window of batch.windows) takeWindow(intake, host, window, limits);
  return batch.rows.map((row) => {
    const subject = subjects[row.subject];
    const reason = subject === undefined ? 'malformed' : refusalOf(row, limits);
    if (subject === undefined || reason !== undefined) return { reason: reason ?? 'malformed' };
    newest(intake.subjects, subject.digest.toString('hex'), { ...subject, week: row.week });
    const names = takeNames(intake, row);
    const made = { ...evidenceOf(row, host), subject: subject.digest, names };
    const key = keyOf(made);
    const known = intake.rows.get(key);
    intake.rows.set(key, known === undefined ? made : mergeRows(known, made));
    return { key };
  });
}

/** Of what is kept as long as a week that has it: the latest. */
function newest<Key, Value extends { week: number }>(map: Map<Key, Value>, key: Key, value: Value): void {
  const known = map.get(key);
  if (known === undefined || known.week < value.week) map.set(key, value);
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
    row.names.every(isName)
  );
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

function isName(name: string): boolean {
  return name !== '' && name.length <= LONGEST_NAME && !name.includes('\0');
}

function evidenceOf(row: Row, host: number): Omit<EvidenceRow, 'subject' | 'names'> {
  return {
    host,
    week: row.week,
    address: row.address,
    port: row.port,
    protocol: row.protocol,
    socket: row.socket,
    verdict: VERDICTS.indexOf(row.verdict),
    revision: row.revision,
    count: row.count,
    first: row.first,
    last: row.last,
    hours: hourSet(row.hours),
  };
}

function keyOf(row: EvidenceRow): string {
  return [
    row.host,
    row.week,
    row.subject.toString('base64'),
    row.address.toString('hex'),
    row.port,
    row.protocol,
    row.socket,
    row.verdict,
    row.revision,
  ].join(' ');
}

/**
 * A set of names is known by the first 63 bits of its digest, so that the one to keep does not depend on the order in
 * which sets came.
 */
function takeNames(intake: Intake, row: Row): bigint {
  if (row.names.length === 0) return 0n;
  const names = [...new Set(row.names)].toSorted();
  const id = createHash('sha256').update(names.join('\0')).digest().readBigUInt64BE() >> 1n;
  newest(intake.names, id, { names, week: row.week });
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
