/**
 * Answers that are cut, bent and lied in by a resolver that is believed: the kernel side learns just what a plain reader
 * finds in them. BOUHEKI_FUZZ is how many.
 */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { after, before, test } from 'node:test';
import { type Answer, decode, encode } from 'dns-packet';
import { knownKey } from '../../enforcer/name/known-address.ts';
import { parseAddress } from '../../policy/value/address.ts';
import { allow, bed, raw } from './name/bed.ts';

const COUNT = Number(process.env['BOUHEKI_FUZZ'] ?? 3000);
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

/** The keys that a message makes known. */
function read(bytes: Buffer, side: number): string[] {
  const found = new Set<string>();
  if (bytes.length < QUESTION_END || bytes.length > 2048) return [];
  if (!isAnswer(bytes)) return [];
  const count = Math.min(bytes.readUInt16BE(6), MOST_RECORDS);
  let at: number | undefined = QUESTION_END;
  for (let index = 0; index < count; index += 1) {
    at = skipName(bytes, at);
    if (at === undefined || at + 10 > bytes.length) break;
    const [type, kind, length] = [
      bytes.readUInt16BE(at),
      bytes.readUInt16BE(at + 2),
      bytes.readUInt16BE(at + 8),
    ];
    at += 10;
    if (at + length > bytes.length) break;
    const value = BigInt(`0x0${bytes.toString('hex', at, at + length)}`);
    const family = type === 1 && length === 4 ? 4 : type === 28 && length === 16 ? 6 : undefined;
    if (kind === 1 && family !== undefined) found.add(keyOf({ family, value }, side));
    at += length;
  }
  return [...found].sort();
}

function keyOf(address: { family: 4 | 6; value: bigint }, side: number): string {
  return knownKey({ side, namespace: 0, address }).toString('hex');
}

/** What dns-packet finds; undefined where it reads nothing. */
function oracle(bytes: Buffer, side: number): string[] | undefined {
  try {
    const answers = decode(bytes).answers ?? [];
    const addresses = answers
      .slice(0, MOST_RECORDS)
      .flatMap((each) => (each.type === 'A' || each.type === 'AAAA' ? [parseAddress(each.data)!] : []));
    return [...new Set(addresses.map((each) => keyOf(each, side)))].sort();
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

async function answered(id: number): Promise<void> {
  const questions = [{ type: 'A', name: NAME }] as const;
  const received = new Promise((resolve) => socket.once('message', resolve));
  socket.send(encode({ type: 'query', id, flags: 0x0100, questions: [...questions] }));
  await received;
}

test(
  `${COUNT} answers, most of them mutated, teach what a plain reader finds`,
  { timeout: 1_500_000 },
  async (context) => {
    allow('{ name: ["*"] }');
    const side = Number(bed.egress.generation & 1n);
    const found = { addresses: 0, whole: 0, empty: 0 };
    for (let index = 0; index < COUNT; index += 1) {
      const whole = message();
      const bytes = mutate(whole);
      raw.message = bytes;
      await answered(index & 0xffff);
      const keys = bed.names.known.keys();
      const learnt = keys.map((key) => key.toString('hex')).sort();
      assert.deepEqual(learnt, read(bytes, side), `message ${index}: ${bytes.toString('hex')}`);
      if (bytes.length === whole.length && bytes.subarray(2).equals(whole.subarray(2))) {
        found.whole += 1;
        if (bytes.length <= 2048) assert.deepEqual(learnt, oracle(bytes, side), bytes.toString('hex'));
      }
      found.addresses += learnt.length;
      if (learnt.length === 0) found.empty += 1;
      for (const key of keys) bed.names.known.delete(key);
      bed.names.numbers('known', 2).fill(0);
      bed.names.numbers('known_of_class', 8192).fill(0);
      if (index % 1000 === 0) bed.recorder.drain();
      for (const key of bed.names.known.keys()) bed.names.known.delete(key);
    }
    context.diagnostic(JSON.stringify(found));
    assert(
      found.whole > COUNT / 10 && found.empty > COUNT / 10 && found.addresses > COUNT,
      'all kinds are common',
    );
  },
);
