import type { DuckDBDataChunk, DuckDBValue, DuckDBVector } from '@duckdb/node-api';
import { plainPath } from '../../bpf/interpreter.ts';
import { type Column, knownOf } from '../event/columns.ts';
import { destinationOf } from './destination.ts';
import { numbersOf } from '../database/column-chunk.ts';
import {
  BLOCKS,
  packedBlocks,
  type Packing,
  packingOf,
  SUBJECT_MEMBERS,
  SUBJECT_ROW,
  Trait,
} from './observation-sql.ts';
import type { Observation, Subject } from './observation.ts';
import type { Bucket } from './stretch.ts';

/** An observation as the record has it. Those of one subject hold the same object. */
export interface RecordedObservation extends Observation {
  /** Whether its denial was only noted: the policy in force was in monitor mode. */
  monitored: boolean;
  /** The rule that decided; of several that did in turn, one. Absent where none did. */
  rule?: string;
  /**
   * Events in each of ten parts of the window, in order of time, of which each has about as many events in all. Other
   * observations may hold the same list.
   */
  blocks: readonly number[];
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

/** Numbers of a column as DuckDB has them. */
type Numbers = Exclude<Column, BigInt64Array | BigUint64Array> | Float64Array;

/** Who a subject is, as `historySql` returns it: null is unknown. */
type Who = { readonly [Name in keyof Required<Subject>]: Required<Subject>[Name] | null } & {
  readonly allowed: number[] | null;
  readonly denied: number[] | null;
};

/** Ids that are returned where they differ from these. */
const USUAL: Partial<Record<keyof Subject, keyof Subject>> = {
  euid: 'uid',
  egid: 'gid',
  fsuid: 'euid',
  fsgid: 'egid',
};

/** Makes a history of the rows of `historySql`, as they come in parts. */
export class HistoryBuilder {
  readonly history: History = { observations: [], activity: [] };
  /** Names of the columns. */
  readonly #names: readonly string[];
  readonly #packing: Packing;
  /** Of the rows that follow. */
  #subject!: Subject;
  readonly #addresses = new Map<number | bigint, bigint>();
  readonly #blocks = new Map<number, readonly number[]>();
  /** Those of one row, before they are a list. */
  readonly #counts = new Float64Array(BLOCKS);

  constructor(names: readonly string[], buckets: readonly Bucket[]) {
    this.#names = names;
    this.#packing = packingOf(buckets);
  }

  /** Takes some rows. What is mostly empty is read only where it is not. */
  add(chunk: DuckDBDataChunk): void {
    const vector = (name: string): DuckDBVector => chunk.getColumnVector(this.#names.indexOf(name));
    const numbers = (name: string): Numbers => numbersOf(vector(name)) as Numbers;
    const text = (name: string, row: number): string => String(vector(name).getItem(row));
    const [family, port, protocol] = [numbers('family'), numbers('port'), numbers('protocol')];
    const [verdict, traits, askedBy, age] = ['verdict', 'traits', 'asked_by', 'age'].map(numbers);
    const [count, first, last, hours] = ['count', 'first', 'last', 'hours'].map(numbers);
    const blocks = packedBlocks(this.#packing).map((block) => numbers(`b${block}`));
    const addressOf = this.#addressesOf(vector);
    for (let row = 0; row < chunk.rowCount; row++) {
      if (family[row] === SUBJECT_ROW) {
        this.#addSubject(JSON.parse(text('who', row)) as Who);
        continue;
      }
      const to = destinationOf(family[row]!, addressOf, row, port[row]!, protocol[row]!);
      // A million of these stay in memory: the members that all have come first, in one order.
      const observation: RecordedObservation = {
        subject: this.#subject,
        family: to.family,
        address: to.address,
        port: to.port,
        protocol: to.protocol,
        verdict: verdict![row] === 0 ? 'allow' : 'deny',
        monitored: (traits![row]! & Trait.monitored) !== 0,
        count: wholeNumber(count![row]!),
        first: first![row]!,
        last: last![row]!,
        hours: hours![row]!,
        blocks: this.#blocksOf(blocks, row),
      };
      if (to.socket !== undefined) observation.socket = to.socket;
      if (traits![row]! & Trait.intent) observation.intent = true;
      if (traits![row]! & Trait.rule) observation.rule = text('rule', row);
      if (traits![row]! & Trait.names) observation.names = text('names', row).split(' ');
      const known = knownOf(askedBy![row]!, age![row]!);
      if (known !== undefined) observation.known = known;
      this.history.observations.push(observation);
    }
  }

  /** Reads addresses; equal ones are the same object: many subjects go to each. */
  #addressesOf(vector: (name: string) => DuckDBVector): (family: 4 | 6, row: number) => bigint {
    const half = (name: string): BigUint64Array => numbersOf(vector(name)) as BigUint64Array;
    const [high, low] = [half('address_high'), half('address_low')];
    // An address of IPv4 is the lower half of the lower one, which is read without a BigInt for each row.
    const words = new Uint32Array(low.buffer, low.byteOffset, 2 * low.length);
    return (family, row) => {
      const key = family === 4 ? words[2 * row]! : (high[row]! << 64n) | low[row]!;
      let known = this.#addresses.get(key);
      if (known === undefined) this.#addresses.set(key, (known = BigInt(key)));
      return known;
    };
  }

  #addSubject(who: Who): void {
    const subject = (this.#subject = subjectOf(who));
    if (who.allowed) this.history.activity.push({ subject, verdict: 'allow', hours: who.allowed });
    if (who.denied) this.history.activity.push({ subject, verdict: 'deny', hours: who.denied });
  }

  /** The same list for equal ones where numbers are small, as most of a large record are. */
  #blocksOf(columns: readonly Numbers[], row: number): readonly number[] {
    const { base, fields } = this.#packing;
    const counts = this.#counts;
    let code = 0;
    let small = true;
    for (let block = 0, rest = 0; block < BLOCKS; block++) {
      if (block % fields === 0) rest = columns[block / fields]![row]!;
      // A remainder of numbers that are no integers of the machine takes several times as long.
      const left = fields === 1 ? 0 : Math.floor(rest / base);
      const events = rest - left * base;
      rest = left;
      counts[block] = events;
      small &&= events < FEW;
      code = code * FEW + events;
    }
    const known = small ? this.#blocks.get(code) : undefined;
    if (known !== undefined) return known;
    const blocks = Array.from(counts, wholeNumber);
    if (small) this.#blocks.set(code, blocks);
    return blocks;
  }
}

/** Below this many events in each, a number is exact that has all blocks as its digits. */
const FEW = 2 ** Math.floor(53 / BLOCKS);

/** The same number; where it can be, in the form that takes no memory of its own. */
function wholeNumber(value: number): number {
  return value < 2 ** 30 ? value | 0 : value;
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
