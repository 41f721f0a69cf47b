import { createHash } from 'node:crypto';
import type { Evidence } from '../../../profiler/read/evidence-sql.ts';
import { leadingName } from '../../../profiler/read/observation.ts';
import { HOUR_BYTES } from '../../wire/week.ts';
import type { Row, WireKnownBy, WireVerdict } from '../../wire/message.ts';
import { subjectBytes } from '../../wire/subject-document.ts';
import { addressBytes, foldOwn } from './own-address.ts';
import { type NameOf, portableSubject } from './portable.ts';

/** Names of a row. */
const MOST_NAMES = 8;

/** A row with its subject, of which the row's number in a batch is made. */
export interface EvidenceRow extends Omit<Row, 'subject'> {
  /** Canonical JSON. */
  subject: Buffer;
}

/** What this host is called where, for whoever reads rows of other hosts. */
export interface Host {
  nameOf: NameOf;
  /** Its own addresses as text. */
  own: ReadonlySet<string>;
}

const WIRE_VERDICTS: Record<Evidence['verdict'], WireVerdict> = {
  allow: 'ALLOW',
  deny: 'DENY',
  noted: 'WOULD_DENY',
};

const WIRE_KNOWN = {
  self: 'SELF',
  cgroup: 'CGROUP',
  host: 'HOST',
  // What no verdict counts has no leading name.
  unbelieved: 'NO_NAME',
} as const satisfies Record<NonNullable<Evidence['known']>['by'], WireKnownBy>;

/** The name that the events go by, as the wire has it. */
function nameOf(evidence: Evidence): Pick<Row, 'name' | 'knownBy' | 'age'> {
  const name = leadingName(evidence);
  if (name === undefined) return { name: '', knownBy: 'NO_NAME', age: 0 };
  const { age, by } = evidence.known!;
  return { name, knownBy: WIRE_KNOWN[by], age };
}

/**
 * What one host saw in one week, as the fleet tells it apart: subjects of several instances, and own addresses of the
 * host, are one. Rows that are equal but for that are added up.
 */
export class EvidenceTable {
  readonly week: number;
  readonly #host: Host;
  readonly #most: number;
  readonly #mostDenied: number;
  readonly #rows = new Map<string, EvidenceRow & { most: number }>();
  readonly #subjects = new WeakMap<Evidence['subject'], { bytes: Buffer; digest: string }>();
  /** Rows that were left out because there were too many. */
  left = 0;

  /**
   * `most`: rows that are kept. `denied`: how many more of what was denied, for which nothing that is allowed takes the
   * place.
   */
  constructor(week: number, host: Host, { denied, most }: { most: number; denied: number }) {
    this.week = week;
    this.#host = host;
    this.#most = most;
    this.#mostDenied = most + denied;
  }

  get size(): number {
    return this.#rows.size;
  }

  add(evidence: Evidence): void {
    const { destination, revision, verdict } = evidence;
    const { bytes: subject, digest } = this.#subjectOf(evidence.subject);
    const { family, value } = foldOwn(
      { family: destination.family, value: destination.address },
      this.#host.own,
    );
    const { port, protocol, socket = '' } = destination;
    const called = nameOf(evidence);
    const place = `${family} ${value} ${port} ${protocol} ${socket} ${verdict} ${revision}`;
    const key = `${digest}\0${place} ${called.knownBy} ${called.name}`;
    const known = this.#rows.get(key);
    if (known !== undefined) merge(known, evidence);
    else if (this.#rows.size >= (verdict === 'allow' ? this.#most : this.#mostDenied)) this.left += 1;
    else {
      this.#rows.set(key, {
        subject,
        address: socket === '' ? addressBytes({ family, value }) : Buffer.alloc(0),
        port,
        protocol,
        socket,
        verdict: WIRE_VERDICTS[verdict],
        revision,
        rule: evidence.rule,
        count: evidence.count,
        first: evidence.first,
        last: evidence.last,
        hours: hourBytes(evidence.hours),
        week: this.week,
        names: evidence.names.slice(0, MOST_NAMES),
        ...called,
        most: evidence.count,
      });
    }
  }

  /** Rows whose last event was at this moment or later, microseconds since the epoch. */
  rows(since = 0): EvidenceRow[] {
    return [...this.#rows.values()].filter(({ last }) => last >= since).map(({ most: _most, ...row }) => row);
  }

  /** Keys have a digest of it: whole subjects, which may have long paths, would be in memory once for each row. */
  #subjectOf(subject: Evidence['subject']): { bytes: Buffer; digest: string } {
    let found = this.#subjects.get(subject);
    if (found === undefined) {
      const bytes = subjectBytes(portableSubject(subject, this.#host.nameOf));
      found = { bytes, digest: createHash('sha256').update(bytes).digest('base64') };
      this.#subjects.set(subject, found);
    }
    return found;
  }
}

/** Rule and names are those of most events; names of the others follow. */
function merge(row: EvidenceRow & { most: number }, evidence: Evidence): void {
  const { count, first, hours, last, names, rule } = evidence;
  row.count += count;
  row.first = Math.min(row.first, first);
  row.last = Math.max(row.last, last);
  for (const [at, byte] of hourBytes(hours).entries()) row.hours[at]! |= byte;
  const most = count > row.most;
  if (most) [row.most, row.rule] = [count, rule];
  const both = most ? [...names, ...row.names] : [...row.names, ...names];
  row.names = [...new Set(both)].slice(0, MOST_NAMES);
  row.age = Math.max(row.age, nameOf(evidence).age);
}

/** The set of hours in 21 bytes; the first digit is the first hour of the week. */
function hourBytes(digits: string): Buffer {
  const bytes = Buffer.alloc(HOUR_BYTES);
  for (let hour = digits.indexOf('1'); hour >= 0; hour = digits.indexOf('1', hour + 1))
    bytes[hour >> 3]! |= 1 << (hour & 7);
  return bytes;
}
