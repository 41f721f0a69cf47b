import type { Ring } from '../../bpf/ring.ts';
import { Connection, LONG_MESSAGE, NameCounter } from '../../bpf/wire.ts';
import { decodeAddress, type Records } from '../event/decode.ts';
import type { EventSink } from '../event/sink.ts';
import { visibleNamespace } from '../../host/namespace.ts';
import type { ProcessTable } from '../identity/process-table.ts';
import { type AnswerRecord, decodeAnswer } from '../name/answer.ts';
import { KnownNames, type NameFact } from '../name/known-names.ts';
import { type NameAnswer, readMessage } from '../name/message.ts';
import { Resolvers } from '../name/resolvers.ts';

/** Where answers come from: the loaded programs that read DNS. */
export interface NameSource {
  readonly answers: Ring;
  counters(): number[];
}

/** By what the destination of an event is known, as the columns have it. */
export interface EventNames {
  names: number;
  known: number;
  /** Seconds. */
  age: number;
  /** The best name. */
  name: string | undefined;
}

/** Of an event whose destination has none. */
export const UNNAMED: EventNames = { names: 0, known: 0, age: 0, name: undefined };

/** Who asked for what was not asked for. */
const NOBODY = { pid: 0, started: 0n, cgroup: 0n };

interface Cached extends EventNames {
  /** Seconds since boot, as in NameMatch. */
  end: number;
  until: number;
}

/** Slots of the cache, and words of a slot, as powers of two. */
const BITS = 14;
const SLOT_BITS = 3;
const SLOT_WORDS = 1 << SLOT_BITS;

const KEY = Connection.offset.process >> 2;
const ADDRESS = Connection.offset.address >> 2;
const TIME = Connection.offset.time >> 2;
/** Its lowest byte. */
const FAMILY = Connection.offset.family >> 2;
const SECOND = 1e9;

/** Gives connections the names that their destinations are known by. */
export class ConnectionNames {
  readonly #source: NameSource;
  readonly #processes: ProcessTable;
  readonly #resolvers: Resolvers;
  /** The host's network namespace. */
  readonly #host: number;
  readonly #known = new KnownNames();
  #sink: EventSink;
  /** Answers whose processes may not be known yet. */
  #fresh: { record: AnswerRecord; answer: NameAnswer }[] = [];
  /** Answers that could not be read, and how many of the kernel side's losses the sink has. */
  #unread = 0;
  #lost = 0;
  #lostNames = 0;
  /** Is told what each answer says that counts for verdicts. */
  learnt: ((fact: NameFact) => void) | undefined;
  /** Of each slot the key of the process, the address, family and version. */
  readonly #words = new Uint32Array(SLOT_WORDS << BITS);
  readonly #cached: Cached[] = [];
  #epoch = 0;

  constructor(source: NameSource, sink: EventSink, processes: ProcessTable, resolvers = new Resolvers()) {
    this.#source = source;
    this.#sink = sink;
    this.#processes = processes;
    this.#resolvers = resolvers;
    this.#host = visibleNamespace('net');
    this.#lost = this.#losses(source.counters());
  }

  /** From now on rows go there. */
  redirect(sink: EventSink): void {
    this.#sink = sink;
    this.#known.version += 1;
  }

  /** Whether there are answers to take up. */
  get pending(): boolean {
    return this.#source.answers.pending > 0;
  }

  /** Takes up the answers so far. To be called before the connections that were made on them are read. */
  drain(): void {
    const { answers } = this.#source;
    answers.drain((at) => this.#take(decodeAnswer(answers, at)));
  }

  /** Takes up what is known of the host's network without an answer, each until a time in seconds since boot. */
  know(facts: readonly Pick<NameFact, 'address' | 'end' | 'name'>[]): void {
    const networkNamespace = this.#host;
    for (const { address, end, name } of facts) {
      const answer = { question: name, chain: [], addresses: [{ ...address, ttl: 0 }] };
      this.#known.learn({ ...NOBODY, networkNamespace }, answer, end);
      this.learnt?.({ networkNamespace, address, name, end });
    }
  }

  /** What the answers so far say, as far as they count for verdicts. */
  facts(): Iterable<NameFact> {
    return this.#known.facts();
  }

  /** Network namespaces ended: others get their numbers. */
  forget(namespaces: ReadonlySet<number>): void {
    this.#known.forget(namespaces);
  }

  /** Writes the answers taken up so far, now that the processes that asked are known. */
  settle(bootEpoch: number): void {
    for (const { answer, record } of this.#fresh) this.#write(answer, record, bootEpoch);
    this.#fresh = [];
  }

  /** Reports what was lost since the last time, and looks for other resolvers. */
  flush(): void {
    this.#resolvers.refresh();
    const counters = this.#source.counters();
    const lost = this.#losses(counters);
    this.#sink.recordLoss('answer', lost - this.#lost);
    this.#lost = lost;
    const roomless = this.#roomless(counters);
    this.#sink.recordLoss('name', roomless - this.#lostNames);
    this.#lostNames = roomless;
  }

  /**
   * By what the destination of a connection is known. Called for every event: only the first of a process to an
   * address after an answer takes more than a few comparisons. What is returned is valid until the next call.
   */
  of(records: Records, at: number): EventNames {
    if (this.#known.version === 0) return UNNAMED;
    const { words } = records;
    const word = at >> 2;
    const upper = words[word + TIME + 1]!;
    const seconds = (upper * 0x1_0000_0000 + words[word + TIME]!) / SECOND;
    const slot = this.#slot(words, word);
    let cached = this.#cached[slot];
    if (cached === undefined || !this.#holds(slot, words, word) || seconds >= cached.until) {
      cached = this.#lookUp(records, at, seconds);
      this.#keep(slot, words, word, cached);
    }
    if (cached.names !== 0) cached.age = Math.round(seconds - cached.end);
    return cached;
  }

  #take(record: AnswerRecord): void {
    const { asker, doubted, message, near, resolver, time, trusted } = record;
    const answer = readMessage(message);
    // The beginning of a longer one: the kernel side has counted it, and no verdict goes by it.
    if (answer?.isCut && message.length === LONG_MESSAGE) return;
    if (answer === undefined || answer.isCut) this.#unread += 1;
    const { networkNamespace } = asker;
    // Whose namespace another one is, and who answers there, is that one's affair: it counts for nobody else.
    const heard = networkNamespace !== this.#host || (!doubted && this.#resolvers.believes(resolver, near));
    if (answer === undefined || !heard) return;
    const seconds = Number(time) / SECOND;
    const names = this.#known.learn(asker, answer, seconds, trusted);
    if (trusted && this.learnt) {
      for (const name of names)
        for (const address of answer.addresses)
          this.learnt({ networkNamespace, address, name, end: seconds + address.ttl });
    }
    this.#fresh.push({ record, answer });
  }

  #write(answer: NameAnswer, { asker, resolver, time, trusted }: AnswerRecord, bootEpoch: number): void {
    const { addresses, chain, question } = answer;
    const row = {
      process: this.#processes.rowOf(asker),
      resolver,
      question,
      chain,
      time: bootEpoch + Number(time / 1000n),
      counts: trusted && asker.networkNamespace === this.#host,
    };
    for (const { family, ttl, value } of addresses)
      this.#sink.answer({ ...row, family, address: value, ttl });
    if (addresses.length === 0) this.#sink.answer({ ...row, family: 0, address: 0n, ttl: 0 });
  }

  #losses(counters: readonly number[]): number {
    const lost = [NameCounter.lostAnswer, NameCounter.cutAnswer, NameCounter.lostQuery];
    return lost.reduce((sum, counter) => sum + counters[counter]!, this.#unread);
  }

  /** Names for whose addresses there was no room. */
  #roomless(counters: readonly number[]): number {
    const { addressFull, knownFull, patternFull } = NameCounter;
    return [addressFull, knownFull, patternFull].reduce((sum, counter) => sum + counters[counter]!, 0);
  }

  #slot(words: Uint32Array, word: number): number {
    let hash = words[word + KEY]! ^ Math.imul(words[word + KEY + 1]!, 0x9e37_79b1);
    hash ^= Math.imul(
      words[word + ADDRESS]! ^ Math.imul(words[word + ADDRESS + 3]!, 0x85eb_ca6b),
      0xc2b2_ae35,
    );
    return Math.imul(hash, 0x9e37_79b1) >>> (32 - BITS);
  }

  #holds(slot: number, words: Uint32Array, word: number): boolean {
    const kept = this.#words;
    const at = slot << SLOT_BITS;
    return (
      kept[at] === words[word + KEY] &&
      kept[at + 1] === words[word + KEY + 1] &&
      kept[at + 2] === words[word + ADDRESS] &&
      kept[at + 3] === words[word + ADDRESS + 1] &&
      kept[at + 4] === words[word + ADDRESS + 2] &&
      kept[at + 5] === words[word + ADDRESS + 3] &&
      kept[at + 6] === this.#known.version &&
      kept[at + 7] === familyOf(words, word) &&
      this.#epoch === this.#sink.nameEpoch
    );
  }

  #keep(slot: number, words: Uint32Array, word: number, cached: Cached): void {
    if (this.#epoch !== this.#sink.nameEpoch) {
      this.#epoch = this.#sink.nameEpoch;
      this.#words.fill(0);
    }
    const at = slot << SLOT_BITS;
    this.#words.set(words.subarray(word + KEY, word + KEY + 2), at);
    this.#words.set(words.subarray(word + ADDRESS, word + ADDRESS + 4), at + 2);
    this.#words[at + 6] = this.#known.version;
    this.#words[at + 7] = familyOf(words, word);
    this.#cached[slot] = cached;
  }

  #lookUp(records: Records, at: number, seconds: number): Cached {
    const image = this.#processes.get(records.view.getBigUint64(at + Connection.offset.process, true));
    const none = { ...UNNAMED, end: 0, until: Number.POSITIVE_INFINITY };
    // Its record may have been lost, and comes again.
    if (image === undefined) return { ...none, until: 0 };
    if (records.bytes[at + Connection.offset.family] === 0) return none;
    const match = this.#known.find(image.asker, decodeAddress(records, at), seconds);
    if (match === undefined) return none;
    const { by, end, names, until } = match;
    return { names: this.#sink.nameSet(names), known: by, age: 0, name: names[0], end, until };
  }
}

/** An IPv4 address and an IPv6 address that begins with it lie in the same bytes. */
function familyOf(words: Uint32Array, word: number): number {
  return words[word + FAMILY]! & 0xff;
}
