import { type Address, canonicalAddress } from '../../policy/value/address.ts';

/** What an answer to a query for addresses says. */
export interface NameAnswer {
  /** What was asked for: lower case, without the last dot. */
  question: string;
  /** The names that stand for it, in their order (CNAME). */
  chain: string[];
  /** Seconds for which the chain holds; absent where there is none. */
  chainTtl?: number;
  addresses: NamedAddress[];
  /** It ends before its last record. */
  isCut?: true;
}

export interface NamedAddress extends Address {
  /** Seconds, up to MOST_TTL. */
  ttl: number;
}

/** No resolver keeps an answer for longer (RFC 8767, section 4 advises seven days at most; one is usual). */
export const MOST_TTL = 86_400;

/** Records that count: the first ones. */
const MOST_RECORDS = 64;

const HEADER = 12;
/** Where it says how many records the answer section has. */
const ANSWERS = 6;
/** Type and class, behind the name of the question. */
const QUESTION_REST = 4;
/** Type, class, TTL and length, behind the name of a record. */
const RECORD_HEAD = 10;

/** Of a length that is none: a pointer to where the name goes on. */
const POINTER = 0xc0;
const LONGEST_LABEL = 63;
/** Of a name with its end, which is none. */
const MOST_LABELS = 128;
/** Octets of a name without its end, of which each label has one for its length. */
const LONGEST_NAME = 254;

const CLASS_IN = 1;
const TYPE = { a: 1, cname: 5, aaaa: 28 } as const;

/**
 * Reads a DNS message (RFC 1035, section 4) as far as it says which addresses a name has, and just as the kernel side
 * does: what that lets a program connect to has its name in the record. Only the answer section counts; what stands
 * beside it was not asked for. Of a message that is cut all counts that comes before. Undefined where the question has
 * no name.
 */
export function readMessage(message: Buffer): NameAnswer | undefined {
  const question = readName(message, HEADER);
  if (question === undefined) return undefined;
  const answer: NameAnswer = { question: question.name, chain: [], addresses: [] };
  const rest: NameAnswer = { question: question.name, chain: [], addresses: [] };
  const count = message.readUInt16BE(ANSWERS);
  let at: number | undefined = question.end + QUESTION_REST;
  for (let index = 0; index < count; index += 1) {
    at = readRecord(message, at, index < MOST_RECORDS ? answer : rest);
    if (at === undefined) return { ...answer, isCut: true };
  }
  return answer;
}

/** Adds what a record says. Returns where the next one begins; undefined where the message ends before. */
function readRecord(message: Buffer, at: number, answer: NameAnswer): number | undefined {
  const head = behindName(message, at);
  if (head === undefined || head + RECORD_HEAD > message.length) return undefined;
  const from = head + RECORD_HEAD;
  const length = message.readUInt16BE(head + 8);
  if (from + length > message.length) return undefined;
  const type = message.readUInt16BE(head);
  const ttl = ttlOf(message.readUInt32BE(head + 4));
  if (message.readUInt16BE(head + 2) !== CLASS_IN) return from + length;
  if (type === TYPE.a && length === 4) {
    answer.addresses.push({ family: 4, value: BigInt(message.readUInt32BE(from)), ttl });
  } else if (type === TYPE.aaaa && length === 16) {
    const value = (message.readBigUInt64BE(from) << 64n) | message.readBigUInt64BE(from + 8);
    answer.addresses.push({ ...canonicalAddress({ family: 6, value }), ttl });
  } else if (type === TYPE.cname) {
    const target = readName(message, from);
    if (target !== undefined) {
      answer.chain.push(target.name);
      answer.chainTtl = Math.min(answer.chainTtl ?? MOST_TTL, ttl);
    }
  }
  return from + length;
}

/** As RFC 2181, section 8 has it: with the highest bit set it is none. */
function ttlOf(ttl: number): number {
  return ttl >= 2 ** 31 ? 0 : Math.min(ttl, MOST_TTL);
}

/**
 * The host name at a place, read byte by byte: in text a dot within a label looks like one between two, so a label could
 * be made to look like another name. Pointers lead backwards only, so they end. `end`: behind the name, where it has none.
 */
function readName(message: Buffer, from: number): { name: string; end: number } | undefined {
  const labels: string[] = [];
  let at = from;
  let octets = 0;
  let first = from;
  for (let length = message[at]; length !== 0; length = message[at]) {
    if (length === undefined) return undefined;
    if (length >= POINTER) {
      if (at + 1 >= message.length) return undefined;
      const target = message.readUInt16BE(at) & 0x3fff;
      if (target >= first || target < HEADER) return undefined;
      at = first = target;
      continue;
    }
    const label = message.toString('latin1', at + 1, at + 1 + length);
    octets += 1 + length;
    if (length > LONGEST_LABEL || label.length < length || octets > LONGEST_NAME || !isLabel(label))
      return undefined;
    labels.push(label.toLowerCase());
    at += 1 + length;
  }
  return labels.length === 0 ? undefined : { name: labels.join('.'), end: at + 1 };
}

/** Where what follows a name begins; undefined where the name does not end. */
function behindName(message: Buffer, from: number): number | undefined {
  let at = from;
  for (let labels = 0; labels < MOST_LABELS; labels += 1) {
    const length = message[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    if (length >= POINTER) return at + 2;
    if (length > LONGEST_LABEL) return undefined;
    at += 1 + length;
  }
  return undefined;
}

/** Letters, digits, hyphens and, as in `_service`, underscores. */
function isLabel(text: string): boolean {
  return /^[a-z0-9_-]+$/i.test(text);
}
