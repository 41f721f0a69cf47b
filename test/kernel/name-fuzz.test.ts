/**
 * Answers that are cut, bent and lied in by a resolver that is believed: the kernel side learns just what a plain reader
 * finds in them, and so does the daemon; nothing that dns-packet does not where both read to the same end. Long with
 * BOUHEKI_LONG.
 */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { after, before, test } from 'node:test';
import { type Answer, decode, encode } from 'dns-packet';
import { knownKey } from '../../enforcer/name/known-address.ts';
import { type Address, parseAddress } from '../../policy/value/address.ts';
import { readMessage } from '../../profiler/name/message.ts';
import { allow, bed, raw } from './name/bed.ts';

const COUNT = process.env['BOUHEKI_LONG'] === undefined ? 3000 : 100_000;
/** What is asked at a time: a socket has 32 queries. COUNT is a multiple. */
const BATCH = 20;
const NAME = 'raw.fuzz.test';
const HEADER = 12;
const QUESTION_END = HEADER + NAME.length + 2 + 4;
const MOST_RECORDS = 64;

/** Repeatable (mulberry32). */
let state = 20_221_020;
function random(below: number): number {
  state = (state + 0x6d2b_79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
}

function record(): Answer {
  const name = random(2) === 0 ? NAME : '.';
  const ttl = random(300);
  switch (random(6)) {
    case 0:
      return { type: 'AAAA', name, ttl, data: `2a00::${random(65_536).toString(16)}:1` };
    case 1:
      return { type: 'CNAME', name, ttl, data: 'edge.fuzz.test' };
    case 2:
      return { type: 'TXT', name, ttl, data: Buffer.alloc(random(40), 1) };
    default:
      return { type: 'A', name, ttl, data: `1.2.${random(256)}.${random(256)}` };
  }
}

function message(): Buffer {
  const records = Array.from({ length: random(random(10) === 0 ? 70 : 6) }, record);
  const questions = [{ type: 'A', name: NAME }] as const;
  return encode({ type: 'response', id: 0, flags: 0x0180, questions: [...questions], answers: records });
}

const BYTES = [0, 1, 4, 16, 28, 63, 64, 0x7f, 0x80, 0xc0, 0xff];

function mutate(whole: Buffer): Buffer {
  let bytes = Buffer.from(whole);
  for (let times = random(4); times > 0; times -= 1) {
    // The id is the resolver's word for whom it answers; the rest is a lie.
    const at = random(8) === 0 ? 2 + random(10) : Math.min(QUESTION_END + random(60), bytes.length - 1);
    switch (random(4)) {
      case 0:
        bytes = bytes.subarray(0, Math.max(at, HEADER));
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random(4))]);
        break;
      case 2:
        bytes[at] = random(256);
        break;
      default:
        bytes[at] = BYTES[random(BYTES.length)]!;
    }
  }
  return Buffer.from(bytes);
}

/** Behind a name; undefined where it does not end. */
function skipName(bytes: Buffer, from: number): number | undefined {
  for (let at = from; at < bytes.length; at += 1 + bytes[at]!) {
    if (bytes[at] === 0) return at + 1;
    if (bytes[at]! >= 0xc0) return at + 2;
    if (bytes[at]! > 63) return undefined;
  }
  return undefined;
}

const QUESTION = encode({ type: 'query', questions: [{ type: 'A', name: NAME }] }).subarray(HEADER);

/** A response without an error, to the question that was asked, in whatever case. */
function isAnswer(bytes: Buffer): boolean {
  const question = bytes.toString('latin1', HEADER, QUESTION_END).toLowerCase();
  if (question !== QUESTION.toString('latin1')) return false;
  return (bytes[2]! & 0xf8) === 0x80 && (bytes[3]! & 15) === 0 && bytes.readUInt16BE(4) === 1;
}

/** What a reader finds: the keys that a message makes known, and where its last record ends. */
interface Found {
  keys: string[];
  /** Undefined where it is cut. */
  end?: number;
}

function read(bytes: Buffer, side: number): Found {
  const found = new Set<string>();
  if (bytes.length < QUESTION_END || bytes.length > 2048) return { keys: [] };
  if (!isAnswer(bytes)) return { keys: [] };
  const count = Math.min(bytes.readUInt16BE(6), MOST_RECORDS);
  const keys = (): string[] => [...found].sort();
  let at = QUESTION_END;
  for (let index = 0; index < count; index += 1) {
    const head = skipName(bytes, at);
    if (head === undefined || head + 10 > bytes.length) return { keys: keys() };
    at = head;
    const [type, kind, length] = [
      bytes.readUInt16BE(at),
      bytes.readUInt16BE(at + 2),
      bytes.readUInt16BE(at + 8),
    ];
    at += 10;
    if (at + length > bytes.length) return { keys: keys() };
    const value = BigInt(`0x0${bytes.toString('hex', at, at + length)}`);
    const family = type === 1 && length === 4 ? 4 : type === 28 && length === 16 ? 6 : undefined;
    if (kind === 1 && family !== undefined) found.add(keyOf({ family, value }, side));
    at += length;
  }
  return { keys: keys(), end: at };
}

function keyOf(address: { family: 4 | 6; value: bigint }, side: number): string {
  return knownKey({ side, namespace: 0, address }).toString('hex');
}

/** What dns-packet finds; undefined where it reads nothing. It goes on behind a name or an address, whatever length is said. */
function oracle(bytes: Buffer, side: number): Found | undefined {
  try {
    const answers = decode(bytes).answers ?? [];
    const end = decode.bytes;
    const addresses = answers
      .slice(0, MOST_RECORDS)
      .flatMap((each) => (each.type === 'A' || each.type === 'AAAA' ? [parseAddress(each.data)!] : []));
    return { keys: [...new Set(addresses.map((each) => keyOf(each, side)))].sort(), end };
  } catch {
    return undefined;
  }
}

let socket: Socket;
before(async () => {
  socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.connect(53, '127.0.0.1', resolve));
});
after(() => socket.close());

/** Asks as often as there are messages, which are the answers. */
async function answered(messages: readonly Buffer[]): Promise<void> {
  raw.queue.push(...messages);
  const received = new Promise<void>((resolve) => {
    let left = messages.length;
    const count = (): void => {
      left -= 1;
      if (left > 0) return;
      socket.off('message', count);
      resolve();
    };
    socket.on('message', count);
  });
  const questions = [{ type: 'A', name: NAME }] as const;
  for (const id of messages.keys())
    socket.send(encode({ type: 'query', id, flags: 0x0100, questions: [...questions] }));
  await received;
}

function forget(): void {
  for (const key of bed.names.known.keys()) bed.names.known.delete(key);
  bed.names.numbers('known', 2).fill(0);
  bed.names.numbers('known_of_class', 8192).fill(0);
}

/** Checks that just these are known, and forgets them. To look at all places of the map takes ten times as long. */
function takeLearnt(expected: ReadonlySet<string>, side: number, messages: readonly Buffer[]): void {
  const count = bed.names.numbers('known', 2)[side]!;
  const missing = [...expected].filter((key) => !bed.names.known.delete(Buffer.from(key, 'hex')));
  const rest = count === expected.size ? [] : bed.names.known.keys().map((key) => key.toString('hex'));
  const told = messages.map((each) => each.toString('hex')).join(' ');
  assert.deepEqual({ count, missing, rest }, { count: expected.size, missing: [], rest: [] }, told);
  bed.names.numbers('known', 2)[side] = 0;
  bed.names.numbers('known_of_class', 8192).fill(0);
}

const found = {
  addresses: 0,
  whole: 0,
  empty: 0,
  alike: 0,
  fewer: 0,
  otherEnd: 0,
  refused: 0,
  learntOfRefused: 0,
};

/** Checks that the daemon reads the same in an answer that the kernel side has read: by that it fills the next policy. */
function assertRecorded(bytes: Buffer, plain: Found, side: number): void {
  if (bytes.length < QUESTION_END || bytes.length > 2048 || !isAnswer(bytes)) return;
  const { addresses } = readMessage(bytes)!;
  const keys = new Set(addresses.map(({ family, value }: Address) => keyOf({ family, value }, side)));
  assert.deepEqual([...keys].sort(), plain.keys, bytes.toString('hex'));
}

/** Compares what both readers find in a message. */
function compare(whole: Buffer, bytes: Buffer, plain: Found, other: Found | undefined): void {
  const text = bytes.toString('hex');
  if (bytes.length === whole.length && bytes.subarray(2).equals(whole.subarray(2))) {
    found.whole += 1;
    if (bytes.length <= 2048) assert.deepEqual(plain.keys, other?.keys, text);
  }
  if (other === undefined) {
    found.refused += 1;
    if (plain.keys.length > 0) found.learntOfRefused += 1;
  } else if (plain.end === other.end) {
    found.alike += 1;
    // Addresses of another class than IN, or of another length, are none here.
    const more = plain.keys.filter((key) => !other.keys.includes(key));
    assert.deepEqual(more, [], text);
    if (plain.keys.length < other.keys.length) found.fewer += 1;
  } else {
    found.otherEnd += 1;
  }
  found.addresses += plain.keys.length;
  if (plain.keys.length === 0) found.empty += 1;
}

test(
  `${COUNT} answers, most of them mutated, teach what a plain reader finds`,
  { timeout: 1_700_000 },
  async (context) => {
    allow('{ name: ["*"] }');
    const side = Number(bed.egress.generation & 1n);
    forget();
    for (let index = 0; index < COUNT; index += BATCH) {
      const wholes = Array.from({ length: BATCH }, message);
      const sent = wholes.map(mutate);
      await answered(sent);
      const plain = sent.map((bytes) => read(bytes, side));
      takeLearnt(new Set(plain.flatMap(({ keys }) => keys)), side, sent);
      for (const [at, bytes] of sent.entries()) assertRecorded(bytes, plain[at]!, side);
      for (const [at, bytes] of sent.entries()) compare(wholes[at]!, bytes, plain[at]!, oracle(bytes, side));
      if (index % (64 * BATCH) === 0) {
        bed.recorder.drain();
        forget();
      }
    }
    context.diagnostic(JSON.stringify(found));
    assert(
      found.whole > COUNT / 10 && found.empty > COUNT / 10 && found.addresses > COUNT,
      'all kinds are common',
    );
    assert(found.alike - found.whole > COUNT / 20, 'mutated ones are read by both');
  },
);
