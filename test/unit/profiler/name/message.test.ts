import assert from 'node:assert/strict';
import test from 'node:test';
import { encode, RECURSION_DESIRED, type Answer } from 'dns-packet';
import { readMessage } from '../../../../profiler/name/message.ts';

function message(name: string, answers: Answer[] = [], additionals: Answer[] = []): Buffer {
  return encode({
    type: 'response',
    id: 7,
    flags: RECURSION_DESIRED,
    questions: [{ type: 'A', name }],
    answers,
    additionals,
  });
}

/** A message with one question, made of these labels. */
function asked(...labels: string[]): Buffer {
  const name = labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1'));
  return Buffer.concat([
    Buffer.from('000781800001000000000000', 'hex'),
    ...name,
    Buffer.from([0, 0, 1, 0, 1]),
  ]);
}

const a = (name: string, data: string, ttl = 60): Answer => ({ type: 'A', name, data, ttl });
const cname = (name: string, data: string): Answer => ({ type: 'CNAME', name, data, ttl: 60 });

test('an answer has the name of the question, whatever stands for it, and its addresses', () => {
  const answers = [
    cname('API.example.com', 'edge.example.net'),
    cname('edge.example.net', 'E1.example.net'),
    a('e1.example.net', '192.0.2.7', 30),
    { type: 'AAAA', name: 'e1.example.net', data: '2001:db8::7', ttl: 40 } as Answer,
  ];
  assert.deepEqual(readMessage(message('API.example.com', answers)), {
    question: 'api.example.com',
    chain: ['edge.example.net', 'e1.example.net'],
    chainTtl: 60,
    addresses: [
      { family: 4, value: 0xc0000207n, ttl: 30 },
      { family: 6, value: 0x2001_0db8_0000_0000_0000_0000_0000_0007n, ttl: 40 },
    ],
  });
});

test('an IPv6 address that is an IPv4 address is that', () => {
  const mapped = { type: 'AAAA', name: 'a.example', data: '::ffff:192.0.2.7', ttl: 1 } as Answer;
  assert.deepEqual(readMessage(message('a.example', [mapped]))!.addresses, [
    { family: 4, value: 0xc0000207n, ttl: 1 },
  ]);
});

test('records beside the answer section say nothing', () => {
  const glue = [a('bank.example', '192.0.2.66')];
  assert.deepEqual(readMessage(message('a.example', [], glue))!.addresses, []);
});

test('records beside the answer section that can not be read spoil no answer', () => {
  const whole = message('a.example', [a('a.example', '192.0.2.1')]);
  // The number of records behind, and a name that points to what is behind the message.
  for (const counter of [8, 10]) {
    const spoilt = Buffer.concat([whole, Buffer.from('ffff000100010000003c0004c0000201', 'hex')]);
    spoilt.writeUInt16BE(1, counter);
    assert.equal(readMessage(spoilt)?.addresses.length, 1);
  }
});

test('records of another class than that of the internet say nothing', () => {
  const chaos = { ...a('a.example', '192.0.2.1'), class: 'CH' } as Answer;
  const alias = { ...cname('a.example', 'b.example'), class: 'CH' } as Answer;
  const { addresses, chain } = readMessage(message('a.example', [chaos, alias]))!;
  assert.deepEqual({ addresses, chain }, { addresses: [], chain: [] });
});

test('a TTL with the highest bit is none, and none is longer than a day', () => {
  const answers = [a('a.example', '192.0.2.1', 2 ** 31), a('a.example', '192.0.2.2', 1e6)];
  assert.deepEqual(
    readMessage(message('a.example', answers))!.addresses.map(({ ttl }) => ttl),
    [0, 86_400],
  );
});

test('a label that looks like several does not make another name', () => {
  assert.equal(readMessage(asked('api', 'example', 'com'))!.question, 'api.example.com');
  assert.equal(readMessage(asked('api.example.com')), undefined);
  assert.equal(readMessage(asked('api\0', 'example')), undefined);
  assert.equal(readMessage(asked('api\u00e9', 'example')), undefined);
  assert.equal(readMessage(asked('')), undefined);
});

test('of names with 254 bytes all is read, of longer ones nothing', () => {
  const labels = [...Array.from({ length: 3 }, () => 'a'.repeat(63)), 'b'.repeat(61)];
  assert.equal(readMessage(asked(...labels))!.question.length, 253);
  assert.equal(readMessage(asked(...labels, 'c')), undefined);
  assert.equal(readMessage(asked('a'.repeat(64))), undefined);
});

test('of more than 64 records the first 64 count', () => {
  const answers = Array.from({ length: 65 }, (_, at) => a('a.example', `192.0.2.${at}`));
  assert.equal(readMessage(message('a.example', answers))!.addresses.length, 64);
});

test('of a message that is cut counts what comes before', () => {
  const whole = message('a.example', [a('a.example', '192.0.2.1'), a('a.example', '192.0.2.2')]);
  const { addresses, isCut } = readMessage(whole.subarray(0, whole.length - 1))!;
  assert.deepEqual([addresses.map(({ value }) => value), isCut], [[0xc0000201n], true]);
  assert.equal(readMessage(whole)!.isCut, undefined);
  // A length that is none of an address.
  const lying = Buffer.from(whole);
  lying.writeUInt16BE(3, whole.length - 6);
  assert.equal(readMessage(lying)!.addresses.length, 1);
});

test('what is cut, loops or is no message is not read, and ends no program', () => {
  const whole = message('a.example', [a('a.example', '192.0.2.1'), a('a.example', '192.0.2.2')]);
  for (let end = 0; end < whole.length; end++) readMessage(whole.subarray(0, end));
  // A name that points to itself, in front of the first record: whose it is is not looked at.
  const loop = Buffer.concat([asked('a'), Buffer.from('c013000100010000003c0004c0000201', 'hex')]);
  loop.writeUInt16BE(1, 6);
  assert.equal(readMessage(loop)!.addresses.length, 1);
  // And one that a name leads to: that leads nowhere.
  const circle = Buffer.concat([asked('a'), Buffer.from('c00c000500010000003c00040162c01f', 'hex')]);
  circle.writeUInt16BE(1, 6);
  assert.deepEqual(readMessage(circle), { question: 'a', chain: [], addresses: [] });
  let state = 1;
  for (let round = 0; round < 20_000; round++) {
    const mutated = Buffer.from(whole);
    for (let change = 0; change < 3; change++) {
      state = Math.imul(state, 1_103_515_245) + 12_345;
      mutated[(state >>> 8) % mutated.length] = state >>> 16;
    }
    const read = readMessage(mutated);
    assert.ok(read === undefined || /^[a-z0-9_.-]+$/.test(read.question));
  }
});
