import { setTimeout as sleep } from 'node:timers/promises';
import { bootTime } from '../../bpf/clock.ts';
import type { Folded, FoldVisitor } from '../../bpf/share.ts';
import type { Ring } from '../../bpf/ring.ts';
import { COMM_SIZE, Connection, ConnectionFlag, Counter, NO_BOX, RecordKind } from '../../bpf/wire.ts';
import { EventBatch, Operation, Verdict } from '../event/batch.ts';
import type { CredentialTable } from '../identity/credential-table.ts';
import {
  decodeAddress,
  decodeCgroup,
  decodeCredential,
  decodeProcess,
  textAt,
  type Records,
} from '../event/decode.ts';
import {
  ADDRESS,
  BOX,
  COMM,
  FAMILY,
  FLAGS,
  GENERATION,
  halves,
  IDS,
  KEY,
  OPERATION,
  PORT,
  swapped,
  TIME,
  VERDICT,
} from './connection-words.ts';
import { ConnectionNames, type NameSource, UNNAMED } from './connection-names.ts';
import { decodeDenial, type Denial, type ExcessDenials } from './denial.ts';
import type { ProcessTable } from '../identity/process-table.ts';
import type { Resolvers } from '../name/resolvers.ts';
import { discarding, type EventSink } from '../event/sink.ts';
import { SubjectCache } from '../event/subject-cache.ts';

/** Where events come from: the loaded kernel side. */
export interface EventSource {
  readonly connections: Ring;
  readonly denials: Ring;
  counters(): number[];
  /** See Egress. */
  takeFolds(visitor: FoldVisitor, settle: () => void): boolean;
  /** Has every process reported again at its next connection. */
  tellAgain(): void;
}

export interface RecorderListeners {
  denied?(denial: Denial): void;
  /** Denials that were counted and not told apart. */
  excess?(denials: ExcessDenials): void;
  cgroupMade?(id: bigint, path: string): void;
}

/** Milliseconds until the sink is asked for room again. */
const ROOM_WAIT = 5;

function verdictOf(denied: boolean, flags: number): number {
  if (!denied) return Verdict.allow;
  return flags & ConnectionFlag.blocked ? Verdict.deny : Verdict.noted;
}

/** Takes connections out of the rings and puts them into a recording. */
export class Recorder {
  readonly #source: EventSource;
  #sink: EventSink;
  readonly #processes: ProcessTable;
  readonly #credentials: CredentialTable;
  readonly #listeners: RecorderListeners;
  #names: ConnectionNames | undefined;
  readonly #batch = new EventBatch();
  readonly #folds: FoldVisitor;
  /** Number that the recording adds to the boxes of a generation. */
  readonly #boxBases = new Map<number, number>();
  #losses: number[];
  /** What the boot clock is behind the epoch, microseconds. */
  #bootEpoch = 0;
  readonly #subjects = new SubjectCache();
  /** Whether the cache holds connections whose process was not known. */
  #unknown = false;
  #forgotten = 0;
  /** Events of processes that are not known, and how many the recording got together with lost records. */
  #nameless = 0;
  #toldNameless = 0;
  /** Process records that the kernel side has lost since we began. */
  #lostProcesses = 0;
  /** The 64-bit columns of the batch by halves, the lower one first. */
  readonly #time = halves(this.#batch.columns.time);
  readonly #high = halves(this.#batch.columns.addressHigh);
  readonly #low = halves(this.#batch.columns.addressLow);

  constructor(
    source: EventSource,
    sink: EventSink,
    processes: ProcessTable,
    credentials: CredentialTable,
    listeners: RecorderListeners = {},
  ) {
    this.#source = source;
    this.#sink = sink;
    this.#processes = processes;
    this.#credentials = credentials;
    this.#listeners = listeners;
    this.#losses = source.counters();
    const room = (): number => this.#room;
    this.#folds = {
      folded: (key, folded) => this.#folded(key, folded),
      repeated: (records, at, { count, first, last }) =>
        this.#connection(records, at, count, Number((last - first) / 1000n)),
      get room() {
        return room();
      },
    };
  }

  /** From now on connections have the names that DNS answers from there give them. */
  readNames(source: NameSource, resolvers?: Resolvers): ConnectionNames {
    this.#names = new ConnectionNames(source, this.#sink, this.#processes, resolvers);
    return this.#names;
  }

  /** From `generation` (low 32 bits count) on, box 0 of an event is row `base` of the recording's boxes. */
  setBoxBase(generation: bigint, base: number): void {
    this.#boxBases.set(Number(generation & 0xffff_ffffn), base);
  }

  /** Goes on without a recording: denials are still heard of, nothing is kept. */
  discard(): void {
    this.#batch.reset();
    this.#sink = discarding();
    this.#processes.redirect(this.#sink);
    this.#credentials.redirect(this.#sink);
    this.#names?.redirect(this.#sink);
    this.#subjects.clear();
  }

  /**
   * Reads both rings, empty if the sink has the room. Returns the number of connections. The kernel side
   * tells a process in each ring before its first connection there, so it does not matter which is read first.
   * `always`: also where they are empty, such as for the time by which folds are dated.
   */
  drain(always = false): number {
    if (this.#forgotten !== this.#processes.forgotten) this.#settle();
    const { connections, denials } = this.#source;
    // At rest this is asked many times a second.
    if (!always && connections.pending + denials.pending === 0 && this.#names?.pending !== true) return 0;
    this.#bootEpoch = Date.now() * 1000 - Number(bootTime() / 1000n);
    const before = this.#sink.counters.events + this.#batch.events;
    const [allowed, denied] = [connections.produced, denials.produced];
    // What was connected to so far was asked for before.
    this.#names?.drain();
    connections.drain((at) => this.#take(connections, at), this.#room, allowed);
    denials.drain((at) => this.#take(denials, at), this.#room, denied);
    this.#names?.settle(this.#bootEpoch);
    return this.#sink.counters.events + this.#batch.events - before;
  }

  /**
   * Reads both rings empty, and what was folded, however often the sink has to make room. For the end:
   * nothing is added meanwhile.
   */
  async drainAll(): Promise<void> {
    const { connections, denials } = this.#source;
    const pending = (): number => connections.pending + denials.pending;
    for (let left = pending(); left > 0; left = pending()) {
      const room = this.#room;
      this.drain();
      if (pending() < left) continue;
      // With room, what is left is a record that its writer never finished.
      if (room > 0) break;
      await sleep(ROOM_WAIT);
    }
    while (!this.#takeFolds()) await sleep(ROOM_WAIT);
  }

  /** Returns whether there was room for all of it. */
  #takeFolds(): boolean {
    return this.#source.takeFolds(this.#folds, () => this.drain(true));
  }

  /** Commits everything drained so far, together with what was lost. */
  flush(): void {
    this.#takeFolds();
    this.#append();
    const losses = this.#source.counters();
    const lost = (counter: number) => losses[counter]! - this.#losses[counter]!;
    this.#sink.recordLoss('ring', lost(Counter.lostConnection));
    this.#sink.recordLoss('denial-ring', lost(Counter.lostDenial));
    this.#lostProcesses += lost(Counter.lostProcess);
    // A lost record is mostly an event without its process too: not counted twice, and whichever is first.
    const nameless = Math.max(this.#lostProcesses, this.#nameless);
    this.#sink.recordLoss('process', nameless - this.#toldNameless);
    this.#toldNameless = nameless;
    const full = [Counter.lostIdentity, Counter.lostSubject, Counter.lostCgroup];
    this.#sink.recordLoss(
      'map',
      full.reduce((sum, counter) => sum + lost(counter), 0),
    );
    this.#sink.recordLoss('skipped', lost(Counter.skippedRun));
    this.#losses = losses;
    this.#names?.flush();
    this.#processes.refreshNames();
    this.#credentials.refreshNames();
    this.#sink.flush();
  }

  /** Records that may be read: what the sink takes, less what waits in the batch. */
  get #room(): number {
    return this.#sink.room - this.#batch.length;
  }

  #take(ring: Ring, at: number): void {
    switch (ring.bytes[at]) {
      case RecordKind.connection:
        this.#connection(ring, at, 1, 0);
        break;
      case RecordKind.process:
        this.#processes.add(decodeProcess(ring, at));
        this.#forgetUnknown();
        break;
      case RecordKind.cgroup: {
        const { id, path } = decodeCgroup(ring, at);
        this.#processes.expect(path);
        this.#listeners.cgroupMade?.(id, path);
        break;
      }
      default:
        throw unknownKind(ring.bytes[at]);
    }
  }

  /**
   * One connection into the batch, or equal ones, over so many microseconds. This runs a million times a second: numbers are copied word by word, and
   * no BigInt, string or object is made unless the subject is new or the connection was denied.
   */
  #connection(records: Records, at: number, count: number, span: number): void {
    const { bytes, words } = records;
    const word = at >> 2;
    const slot = this.#subject(records, at);
    const batch = this.#batch;
    const { columns } = batch;
    const time = this.#time;
    const high = this.#high;
    const low = this.#low;
    const row = batch.length;
    // Nanoseconds since boot exceed 2^53 after 104 days: 2^32 ns are 4,294,967 µs and 296 ns.
    const upper = words[word + TIME + 1]!;
    const micros =
      this.#bootEpoch + upper * 4_294_967 + Math.floor((upper * 296 + words[word + TIME]!) / 1000);
    time[2 * row] = micros;
    time[2 * row + 1] = micros / 0x1_0000_0000;
    const process = this.#subjects.process(slot);
    if (process === 0) this.#nameless += count;
    columns.process[row] = process;
    columns.command[row] = this.#subjects.command(slot);
    columns.credential[row] = this.#subjects.credential(slot);
    const family = bytes[at + FAMILY]!;
    const address = word + ADDRESS;
    columns.family[row] = family;
    high[2 * row] = family === 6 ? swapped(words[address + 1]!) : 0;
    high[2 * row + 1] = family === 6 ? swapped(words[address]!) : 0;
    low[2 * row] = swapped(words[address + (family === 4 ? 0 : 3)]!);
    low[2 * row + 1] = family === 4 ? 0 : swapped(words[address + 2]!);
    const portAndProtocol = words[word + PORT]!;
    columns.port[row] = portAndProtocol;
    columns.protocol[row] = portAndProtocol >>> 16;
    const operation = bytes[at + OPERATION]!;
    columns.operation[row] = operation;
    const denied = bytes[at + VERDICT] === 1;
    columns.verdict[row] = verdictOf(denied, bytes[at + FLAGS]!);
    columns.box[row] = this.#box(words[word + BOX]!, words[word + GENERATION]!);
    const { age, known, name, names } = this.#names?.of(records, at) ?? UNNAMED;
    columns.names[row] = names;
    columns.known[row] = known;
    columns.age[row] = age;
    columns.count[row] = count;
    columns.span[row] = span;
    batch.length += 1;
    batch.events += count;
    if (denied && operation !== Operation.intent) this.#denied(records, at, 1, name);
    if (batch.full) this.#append();
  }

  /** The row of a box, given its index in the policy of a generation. */
  #box(box: number, generation: number): number {
    return box === NO_BOX ? -1 : (this.#boxBases.get(generation) ?? 0) + box;
  }

  /** Connections that the kernel side has counted. `key` is what they have in common. */
  #folded(key: Buffer, { count, first, last }: Folded): void {
    const bytes = new Uint8Array(key);
    const records = { bytes, view: new DataView(bytes.buffer), words: new Uint32Array(bytes.buffer) };
    const { view, words } = records;
    const denied = bytes[VERDICT] === 1;
    if (bytes[0] === RecordKind.excess) {
      this.#exceeded(records, denied, count);
      return;
    }
    if (bytes[0] !== RecordKind.connection) throw unknownKind(bytes[0]);
    const slot = this.#subject(records, 0);
    const { family, value } = decodeAddress(records, 0);
    const operation = bytes[OPERATION]!;
    const micros = (time: bigint): number => this.#bootEpoch + Number(time / 1000n);
    this.#sink.folded({
      process: this.#subjects.process(slot),
      command: this.#subjects.command(slot),
      credential: this.#subjects.credential(slot),
      family: bytes[FAMILY]!,
      addressHigh: family === 6 ? value >> 64n : 0n,
      addressLow: BigInt.asUintN(64, value),
      port: view.getUint16(Connection.offset.port, true),
      protocol: view.getUint16(Connection.offset.protocol, true),
      operation,
      verdict: verdictOf(denied, bytes[FLAGS]!),
      box: this.#box(words[BOX]!, words[GENERATION]!),
      count,
      first: micros(first),
      last: micros(last),
      names: 0,
      known: 0,
      age: 0,
    });
    if (denied && operation !== Operation.intent) this.#denied(records, 0, count);
  }

  #exceeded({ bytes, view }: Records, denied: boolean, count: number): void {
    const uid = view.getUint32(Connection.offset.uid, true);
    this.#sink.recordLoss(denied ? 'denial-share' : 'share', count, uid);
    if (!denied) return;
    const inContainer = (bytes[FLAGS]! & ConnectionFlag.inContainer) !== 0;
    const blocked = (bytes[FLAGS]! & ConnectionFlag.blocked) !== 0;
    this.#listeners.excess?.({ uid, user: this.#credentials.userName(uid), inContainer, blocked, count });
  }

  #denied(records: Records, at: number, count: number, name?: string): void {
    const { view } = records;
    const { offset } = Connection;
    this.#listeners.denied?.({
      ...decodeDenial(records, at),
      image: this.#processes.get(view.getBigUint64(at + offset.process, true)),
      user: this.#credentials.userName(view.getUint32(at + offset.uid, true)),
      count,
      ...(name !== undefined && { name }),
    });
  }

  /** The slot of the subject cache that has the rows of a connection's process, command and credential. */
  #subject(records: Records, at: number): number {
    const { words } = records;
    const word = at >> 2;
    const key = word + KEY;
    const ids = word + IDS;
    const comm = word + COMM;
    const slot = this.#subjects.slot(words, key, ids, comm);
    if (!this.#subjects.holds(slot, words, key, ids, comm)) this.#lookUp(records, at, slot);
    return slot;
  }

  #lookUp(records: Records, at: number, slot: number): void {
    const { view, words } = records;
    const word = at >> 2;
    const image = this.#processes.get(view.getBigUint64(at + Connection.offset.process, true));
    const command = this.#sink.command(textAt(records, at + Connection.offset.comm, COMM_SIZE));
    const credential = this.#credentials.add(decodeCredential(records, at));
    const rows = { process: image?.row ?? 0, command, credential };
    this.#subjects.put(slot, words, { key: word + KEY, ids: word + IDS, comm: word + COMM }, rows);
    if (image === undefined) this.#unknown = true;
  }

  /** A process record that was lost is sent again with a later connection. */
  #forgetUnknown(): void {
    if (this.#unknown) this.#subjects.clear();
    this.#unknown = false;
  }

  /**
   * Images have been dropped, and nothing names them from now on. Who is in use shows by being looked up
   * anew, and by being reported again, without which an image that is dropped the next time would not be
   * known when it is back.
   */
  #settle(): void {
    this.#forgotten = this.#processes.forgotten;
    this.#subjects.clear();
    this.#append();
    this.#sink.settle(this.#processes.rows());
    this.#source.tellAgain();
  }

  #append(): void {
    this.#sink.append(this.#batch);
    this.#batch.reset();
  }
}

/** This program and the kernel side are not of one version: nothing that either says of the other holds. */
function unknownKind(kind: number | undefined): Error {
  return new Error(`the kernel side gave a record of the unknown kind ${kind}`);
}
