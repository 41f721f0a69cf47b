import { bootTime } from '../bpf/clock.ts';
import type { Ring } from '../bpf/ring.ts';
import { COMM_SIZE, Connection, ConnectionFlag, Counter, NO_BOX, RecordKind } from '../bpf/wire.ts';
import { EventBatch, Operation } from './batch.ts';
import { decodeAddress, decodeCgroup, decodeProcess, textAt, type Records } from './decode.ts';
import type { ProcessImage, ProcessTable } from './process-table.ts';
import { discarding, type EventSink } from './sink.ts';

/** Where events come from: the loaded kernel side. */
export interface EventSource {
  readonly connections: Ring;
  readonly denials: Ring;
  counters(): number[];
}

/** A connection that a policy denied or, in monitor mode, would have denied. */
export interface Denial {
  /** Undefined when the process record was lost. */
  image: ProcessImage | undefined;
  command: string;
  pid: number;
  uid: number;
  /** What was named; undefined when a socket was opened that no destination can be judged by. */
  destination: { family: 4 | 6; value: bigint; port: number } | undefined;
  /** SocketKind of wire.ts; undefined with a destination. */
  socket: number | undefined;
  protocol: number;
  /** The caller got EPERM; false in monitor mode. */
  blocked: boolean;
  /** Index into the boxes of the policy of `generation`; undefined when none matched. */
  box: number | undefined;
  /** Low 32 bits of the policy generation that judged. */
  generation: number;
}

export interface RecorderListeners {
  denied?(denial: Denial): void;
  cgroupMade?(id: bigint, path: string): void;
}

/** Takes connections out of the rings and puts them into a recording. */
export class Recorder {
  readonly #source: EventSource;
  #sink: EventSink;
  readonly #processes: ProcessTable;
  readonly #listeners: RecorderListeners;
  readonly #batch = new EventBatch();
  /** Number that the recording adds to the boxes of a generation. */
  readonly #boxBases = new Map<number, number>();
  #losses: number[];
  /** What the boot clock is behind the epoch, nanoseconds. */
  #bootEpoch = 0n;

  constructor(
    source: EventSource,
    sink: EventSink,
    processes: ProcessTable,
    listeners: RecorderListeners = {},
  ) {
    this.#source = source;
    this.#sink = sink;
    this.#processes = processes;
    this.#listeners = listeners;
    this.#losses = source.counters();
  }

  /** From `generation` (low 32 bits count) on, box 0 of an event is row `base` of the recording's boxes. */
  setBoxBase(generation: bigint, base: number): void {
    this.#boxBases.set(Number(generation & 0xffff_ffffn), base);
  }

  /** Goes on without a recording: denials are still heard of, nothing is kept. */
  discard(): void {
    this.#batch.length = 0;
    this.#sink = discarding();
    this.#processes.redirect(this.#sink);
  }

  /** Reads both rings empty. Returns the number of connections. */
  drain(): number {
    this.#bootEpoch = BigInt(Date.now()) * 1_000_000n - bootTime();
    const before = this.#sink.counters.events + this.#batch.length;
    const { connections, denials } = this.#source;
    connections.drain((at) => this.#take(connections, at));
    denials.drain((at) => this.#take(denials, at));
    return this.#sink.counters.events + this.#batch.length - before;
  }

  /** Commits everything drained so far, together with what was lost. */
  flush(): void {
    this.#append();
    const losses = this.#source.counters();
    const lost = (counter: number) => losses[counter]! - this.#losses[counter]!;
    this.#sink.recordLoss('ring', lost(Counter.lostConnection));
    this.#sink.recordLoss('denial-ring', lost(Counter.lostDenial));
    this.#sink.recordLoss('process', lost(Counter.lostProcess));
    this.#sink.recordLoss('map', lost(Counter.lostIdentity));
    this.#losses = losses;
    this.#processes.refreshNames();
    this.#sink.flush();
  }

  #take(ring: Ring, at: number): void {
    switch (ring.bytes[at]) {
      case RecordKind.connection:
        this.#connection(ring, at);
        break;
      case RecordKind.process:
        this.#processes.add(decodeProcess(ring, at));
        break;
      case RecordKind.cgroup: {
        const { id, path } = decodeCgroup(ring, at);
        this.#listeners.cgroupMade?.(id, path);
        break;
      }
    }
  }

  #connection(records: Records, at: number): void {
    const { view, bytes } = records;
    const { offset } = Connection;
    const image = this.#imageOf(view.getBigUint64(at + offset.process, true), records);
    const command = textAt(records, at + offset.comm, COMM_SIZE);
    const flags = bytes[at + offset.flags]!;
    const blocked = (flags & ConnectionFlag.blocked) !== 0;
    const denied = bytes[at + offset.verdict] === 1;
    const box = view.getUint32(at + offset.box, true);
    const generation = view.getUint32(at + offset.generation, true);
    const intent = bytes[at + offset.operation] === Operation.intent;
    const batch = this.#batch;
    const row = batch.length;
    const time = this.#bootEpoch + view.getBigUint64(at + offset.time, true);
    batch.time[row] = time / 1000n;
    batch.process[row] = image?.row ?? 0;
    batch.command[row] = this.#sink.command(command);
    batch.uid[row] = view.getUint32(at + offset.uid, true);
    batch.gid[row] = view.getUint32(at + offset.gid, true);
    const family = bytes[at + offset.family]!;
    const address = at + offset.address;
    batch.family[row] = family;
    batch.addressHigh[row] = family === 6 ? view.getBigUint64(address) : 0n;
    batch.addressLow[row] = family === 4 ? BigInt(view.getUint32(address)) : view.getBigUint64(address + 8);
    batch.port[row] = view.getUint16(at + offset.port, true);
    batch.protocol[row] = view.getUint16(at + offset.protocol, true);
    // A UDP connect() that got EPERM was an attempt that a policy stopped; nothing will be sent any more.
    batch.operation[row] = intent && blocked ? Operation.connect : bytes[at + offset.operation]!;
    batch.verdict[row] = denied ? 1 : 0;
    batch.box[row] = box === NO_BOX ? -1 : (this.#boxBases.get(generation) ?? 0) + box;
    batch.length += 1;
    if (denied && !(intent && !blocked)) {
      this.#listeners.denied?.({
        image,
        command,
        pid: view.getUint32(at + offset.pid, true),
        uid: batch.uid[row]!,
        ...(family === 0
          ? { destination: undefined, socket: batch.port[row]! }
          : { destination: { ...decodeAddress(records, at), port: batch.port[row]! }, socket: undefined }),
        protocol: batch.protocol[row]!,
        blocked,
        box: box === NO_BOX ? undefined : box,
        generation,
      });
    }
    if (batch.full) this.#append();
  }

  /** A denial's process may have been told in the other ring, after we last looked there, but before the denial. */
  #imageOf(key: bigint, records: Records): ProcessImage | undefined {
    const known = this.#processes.get(key);
    if (known || records === this.#source.connections) return known;
    this.#source.connections.drain((at) => this.#take(this.#source.connections, at));
    return this.#processes.get(key);
  }

  #append(): void {
    this.#sink.append(this.#batch);
    this.#batch.length = 0;
  }
}
